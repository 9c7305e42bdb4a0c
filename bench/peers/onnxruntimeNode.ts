/** onnxruntime's own CPU kernels (native code, as wide vectors as the machine has), through the package onnxruntime-node. */
import { type Implementation, importPeer, type PeerSetting } from '../implementation.js';
import { OnnxSession } from './onnxSession.js';

export async function openOnnxruntimeNode({
  batch,
  threads,
  workload,
  files,
  model,
}: PeerSetting): Promise<Implementation> {
  const { default: ort } = await importPeer('onnxruntime-node', () => import('onnxruntime-node'));
  const session = await ort.InferenceSession.create(await files.onnx(batch), {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  return new OnnxSession(
    { name: 'onnxruntime-node', version: ort.env.versions.node ?? ort.env.versions.common, backend: 'cpu', threads },
    session,
    workload.inputs.map(({ images }) => new ort.Tensor('float32', images, [batch, ...model.inputShape])),
  );
}
