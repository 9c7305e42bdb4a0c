/** onnxruntime compiled to WebAssembly, as a page runs it, through the package onnxruntime-web. */
import { type Implementation, importPeer, type PeerSetting } from '../implementation.js';
import { OnnxSession } from './onnxSession.js';

export async function openOnnxruntimeWeb({
  batch,
  threads,
  workload,
  files,
  model,
}: PeerSetting): Promise<Implementation> {
  const ort = await importPeer('onnxruntime-web', () => importFor(threads));
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(await files.onnx(batch), { executionProviders: ['wasm'] });
  // It falls back to one thread, and writes that here, where it cannot start workers.
  const used = ort.env.wasm.numThreads;
  return new OnnxSession(
    {
      name: 'onnxruntime-web',
      version: ort.env.versions.web ?? ort.env.versions.common,
      backend: 'wasm',
      threads: used,
    },
    session,
    workload.inputs.map(({ images }) => new ort.Tensor('float32', images, [batch, ...model.inputShape])),
  );
}

/** An instance of the module for each number of threads: an instance keeps to the one that it first started with. */
function importFor(threads: number): Promise<typeof import('onnxruntime-web')> {
  return import(`${import.meta.resolve('onnxruntime-web')}?threads=${threads}`);
}
