/** Files with one tensor: NumPy's .npy, or a TensorProto of ONNX (.pb) as the models of its zoo come with. */

import { FileError } from '../../errors.js';
import { openSource, readBytes } from '../../formats/byteSource.js';
import { isNpy, npyTensors } from '../../formats/npy.js';
import { writeNpy } from '../../formats/npyWriter.js';
import { tensorFile } from '../../formats/tensorFile.js';
import { readTensorProto, writeTensorProto } from '../../formats/tensorProto.js';

export interface OneTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** @throws FileError for a file that is neither, or holds no floats */
export async function readTensor(path: string): Promise<OneTensor> {
  const source = await openSource(path);
  try {
    const head = await readBytes(source, 0, Math.min(16, source.size));
    if (!isNpy(head)) {
      const tensor = await readTensorProto(source);
      return { shape: tensor.shape, data: await tensor.floats() };
    }
    const arrays = tensorFile(source, await npyTensors(source, 'the array'));
    const [[name, { shape }] = ['', { shape: [] }], ...more] = arrays.tensors;
    if (more.length > 0) throw new FileError(`${source.label} holds ${more.length + 1} arrays, expected one`);
    return { shape, data: await arrays.read(name) };
  } finally {
    await source.close();
  }
}

/** A path that ends in '.pb' gets a TensorProto with a name in it, any other an .npy file. */
export function writeTensor(path: string, name: string, { shape, data }: OneTensor): Promise<void> {
  return path.endsWith('.pb') ? writeTensorProto(path, name, shape, data) : writeNpy(path, shape, data);
}
