/** The formats whose readers are given damaged files. A new format is one more entry of the table. */
import { readFile } from 'node:fs/promises';
import type { ByteSource } from '../../src/formats/byteSource.js';
import { readCaffemodel, readMeanImage } from '../../src/formats/caffe.js';
import { readNpy } from '../../src/formats/npy.js';
import { readNpz } from '../../src/formats/npz.js';
import { importModel } from '../../src/formats/onnxImport/import.js';
import { readOnnx } from '../../src/formats/onnxModel.js';
import { readSafetensors, safetensorsChunks } from '../../src/formats/safetensors.js';
import type { TensorFile } from '../../src/formats/tensorFile.js';
import { readTorch } from '../../src/formats/torch.js';
import { elements } from '../../src/ops/define.js';
import { fixturePath } from '../support/fixtures.js';
import { onnxModels } from '../support/onnxModels.js';

export interface FuzzedFormat {
  readonly name: string;
  /** Whole files to begin with. */
  files(): Promise<readonly Uint8Array[]>;
  /** Checks all headers, as the reader does when a file is opened. */
  open(source: ByteSource): Promise<OpenFile>;
  /** Bytes of content that one byte of the file may stand for; 1 when nothing is compressed. */
  readonly expansion: number;
}

export interface OpenFile {
  /** Reads all that can be read. */
  readAll(): Promise<void>;
  close(): Promise<void>;
}

export const fuzzedFormats: readonly FuzzedFormat[] = [
  { name: 'safetensors', files: safetensors, open: tensors(readSafetensors), expansion: 1 },
  { name: 'npy', files: fixtures('f4.npy', 'f4-fortran.npy', 'f2-big.npy'), open: tensors(readNpy), expansion: 1 },
  {
    name: 'npy-pickle',
    files: fixtures('python2.npy', 'protocol0.npy', 'protocol2.npy', 'protocol4.npy', 'protocol5.npy', 'ragged.npy'),
    open: tensors(readNpy),
    expansion: 1,
  },
  { name: 'npz', files: fixtures('numpy.npz'), open: tensors(readNpz), expansion: 1 },
  { name: 'npz-deflated', files: fixtures('numpy-compressed.npz'), open: tensors(readNpz), expansion: 1032 },
  {
    name: 'torch',
    files: fixtures('torch.pth', 'torch-checkpoint.pth', 'torch-nested.pth', 'torch-mixed.pth', 'torch-big-endian.pth'),
    open: tensors(readTorch),
    expansion: 1,
  },
  {
    name: 'torch-legacy',
    files: fixtures('torch-legacy.pth', 'torch-checkpoint-legacy.pth'),
    open: tensors(readTorch),
    expansion: 1,
  },
  {
    name: 'caffemodel',
    files: fixtures('v0.caffemodel', 'v1.caffemodel', 'v2.caffemodel', 'unpacked.caffemodel'),
    open: tensors(readCaffemodel),
    expansion: 1,
  },
  { name: 'binaryproto', files: fixtures('mean.binaryproto'), open: meanImage, expansion: 1 },
  { name: 'onnx', files: fixtures('storages.onnx', 'zoo.onnx', 'attributes.onnx'), open: onnxModel, expansion: 1 },
  { name: 'onnx-import', files: onnxModels, open: tensors(importedTensors), expansion: 1 },
];

/** Reads files from test/fixtures/formats. */
export function fixtures(...names: readonly string[]): FuzzedFormat['files'] {
  return () => Promise.all(names.map(async (name) => new Uint8Array(await readFile(fixturePath(name)))));
}

/** Opens with a reader of tensors; then each that has floats is read. */
export function tensors(read: (source: ByteSource) => Promise<TensorFile>): FuzzedFormat['open'] {
  return async (source) => {
    const file = await read(source);
    return {
      async readAll() {
        for (const [name, { dtype, shape }] of file.tensors) {
          if (/^B?F\d+$/.test(dtype)) await file.readInto(name, new Float32Array(elements(shape)));
        }
      },
      close: () => file.close(),
    };
  };
}

/** A mean image is read when it is opened. */
async function meanImage(source: ByteSource): Promise<OpenFile> {
  await readMeanImage(source);
  return { readAll: async () => undefined, close: () => source.close() };
}

/** Reads the tensors of attributes too, and those of integers. */
async function onnxModel(source: ByteSource): Promise<OpenFile> {
  const model = await readOnnx(source);
  return {
    async readAll() {
      const attributes = model.nodes.flatMap((node) => [...node.attributes.values()]);
      const inNodes = attributes.flatMap((attribute) => (attribute.kind === 'tensor' ? [attribute.value] : []));
      for (const tensor of [...model.initializers.values(), ...inNodes]) {
        if (/^B?F\d+$/.test(tensor.dtype)) await tensor.floats();
        else if (/^[IU]\d+$|^BOOL$/.test(tensor.dtype)) await tensor.integers();
      }
    },
    close: () => model.close(),
  };
}

async function safetensors(): Promise<readonly Uint8Array[]> {
  const list = [
    { name: 'conv1.weight', shape: [4, 3, 3, 3], data: new Float32Array(108).map((_, i) => i) },
    { name: 'conv1.bias', shape: [4], data: new Float32Array(4) },
  ];
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of safetensorsChunks(list, { model: 'none' })) chunks.push(chunk);
  return [new Uint8Array(await new Blob(chunks).arrayBuffer())];
}

async function importedTensors(source: ByteSource): Promise<TensorFile> {
  return (await importModel(await readOnnx(source))).weights;
}
