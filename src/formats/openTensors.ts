/** Files of weights of any format. */
import { FileError } from '../errors.js';
import { type ByteSource, openWith, readBytes } from './byteSource.js';
import { readCaffemodel } from './caffe.js';
import { isNpy, readNpy } from './npy.js';
import { isNpz, npzFile } from './npz.js';
import { readOnnx } from './onnxModel.js';
import { latin1 } from './pickleInput.js';
import { looksLikeCaffemodel, looksLikeOnnx } from './protobufKind.js';
import { readSafetensors } from './safetensors.js';
import type { TensorFile } from './tensorFile.js';
import { isLegacyTorch, isTorch, readTorch, torchFile } from './torch.js';
import { readZip } from './zip.js';

export type TensorFormat = 'safetensors' | 'npy' | 'npz' | 'torch' | 'caffemodel' | 'onnx';

/** An open file, and the format that its bytes have. */
export interface FormattedTensorFile extends TensorFile {
  readonly format: TensorFormat;
}

/**
 * Opens a file of weights, in the format that its bytes have, and checks what it says of its tensors; they are read when asked for.
 *
 * @param file a path; in a page a Blob, such as a File that was chosen
 * @throws FileError naming the file and what is wrong with it, also for a format that is not known
 */
export function openTensors(file: string | Blob): Promise<FormattedTensorFile> {
  return openWith(file, readTensors);
}

/** The same for a source, which the file then closes; a source that cannot be read stays open. */
export async function readTensors(source: ByteSource): Promise<FormattedTensorFile> {
  const head = await readBytes(source, 0, Math.min(16, source.size));
  if (isNpy(head)) return { ...(await readNpy(source)), format: 'npy' };
  if (isLegacyTorch(head)) return { ...(await readTorch(source)), format: 'torch' };
  if (latin1(head.subarray(0, 2)) === 'PK') {
    const entries = await readZip(source);
    if (isTorch(entries)) return { ...(await torchFile(source, entries)), format: 'torch' };
    if (isNpz(entries)) return { ...(await npzFile(source, entries)), format: 'npz' };
    throw new FileError(`${source.label} is a zip archive with neither .npy files nor the data.pkl of torch.save`);
  }
  // Protobuf has no magic number; but the length that safetensors begin with ends in zeros, which no message has there.
  if (await looksLikeOnnx(source)) return { ...(await readOnnx(source)).file, format: 'onnx' };
  if (await looksLikeCaffemodel(source)) return { ...(await readCaffemodel(source)), format: 'caffemodel' };
  if (head[8] === 0x7b) return { ...(await readSafetensors(source)), format: 'safetensors' };
  throw new FileError(
    `${source.label} is no file of weights that is known: expected safetensors, .npy, .npz, .caffemodel, .onnx or a file of torch.save`,
  );
}
