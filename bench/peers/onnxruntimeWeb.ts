/**
 * onnxruntime's WebAssembly and WebGPU kernels, in a process of their own: the package keeps to the number of threads that its first
 * session had, and its memory is not to be taken for ours.
 */
import { type Implementation, MissingPeer, type PeerSetting } from '../implementation.js';
import type { Opening } from './onnxruntimeWebChild.js';
import { openPeerProcess } from './peerProcess.js';

export async function openOnnxruntimeWeb(setting: PeerSetting): Promise<Implementation> {
  return openPeerProcess(new URL('./onnxruntimeWebChild.js', import.meta.url), 'onnxruntime-web', {
    ...(await openingOf(setting)),
    provider: 'wasm',
    onAdapter: false,
  } satisfies Opening);
}

/** Made for browsers: where it does not get ready in Node, the report says what it said. */
export async function openOnnxruntimeWebGpu(setting: PeerSetting): Promise<Implementation> {
  const name = "onnxruntime-web's WebGPU";
  try {
    return await openPeerProcess(new URL('./onnxruntimeWebChild.js', import.meta.url), name, {
      ...(await openingOf(setting)),
      provider: 'webgpu',
      onAdapter: true,
    } satisfies Opening);
  } catch (error) {
    if (error instanceof MissingPeer) throw error;
    throw new MissingPeer(`${name} does not run here: ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
}

async function openingOf({
  batch,
  threads,
  workload,
  files,
  model,
}: PeerSetting): Promise<Omit<Opening, 'provider' | 'onAdapter'>> {
  const paths = { onnx: await files.onnx(batch), images: await files.images(workload) };
  return { paths, imagesShape: [batch, ...model.inputShape], threads };
}
