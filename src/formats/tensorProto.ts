/** A file with one tensor of ONNX (TensorProto of the public onnx.proto), as the inputs and outputs beside the models of its zoo are. */
import { writeAtomically } from '../atomicFile.js';
import type { ByteSource } from './byteSource.js';
import { onnxDataType, onnxMessages, onnxSchema } from './onnxSchema.js';
import { type OnnxTensor, onnxTensor } from './onnxTensor.js';
import { readMessage } from './protobufMessage.js';
import { bytesOfFloats } from './tensorFile.js';

/**
 * The tensor in a source, which must stay open until it has been read.
 *
 * @throws FileError naming the byte or the field that is wrong
 */
export async function readTensorProto(source: ByteSource): Promise<OnnxTensor> {
  return onnxTensor(source, await readMessage(source, onnxMessages, 'TensorProto'), 'the tensor');
}

/** @throws FileError when the file cannot be written */
export async function writeTensorProto(
  path: string,
  name: string,
  shape: readonly number[],
  data: Float32Array,
): Promise<void> {
  const content = { dims: shape, dataType: onnxDataType.f32, name, rawData: bytesOfFloats(data) };
  const bytes = (await onnxSchema()).lookupType('TensorProto').encode(content).finish();
  await writeAtomically(path, (write) => write(Uint8Array.from(bytes)));
}
