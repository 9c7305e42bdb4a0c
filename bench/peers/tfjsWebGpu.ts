/** tfjs' WebGPU kernels, in a process of their own: they want `navigator.gpu` as a global, and memory of the device. */
import { type Implementation, MissingPeer, type PeerSetting } from '../implementation.js';
import { describeGraph } from './graph.js';
import { openPeerProcess } from './peerProcess.js';
import type { TfjsSetting } from './tfjsNetwork.js';
import type { Opening } from './tfjsWebGpuChild.js';

export async function openTfjsWebGpu(setting: PeerSetting): Promise<Implementation> {
  const { workload, files } = setting;
  return openPeerProcess(new URL('./tfjsWebGpuChild.js', import.meta.url), 'tfjs-webgpu', {
    ...tfjsSetting(setting),
    weights: await files.safetensors(),
    images: await files.images(workload),
  } satisfies Opening);
}

/** @throws MissingPeer for a network whose training is another */
export function tfjsSetting({ model, batch, workload }: PeerSetting): TfjsSetting {
  const { optimizer } = model.recipe;
  if (optimizer.kind === 'adam') {
    throw new MissingPeer(`tfjs-webgpu: ${model.name} is trained by Adam, which is not measured`);
  }
  return {
    graph: describeGraph(model, batch),
    labels: workload.inputs.map(({ labels }) => [...labels]),
    optimizer: { momentum: optimizer.momentum ?? 0, weightDecay: optimizer.weightDecay ?? 0 },
  };
}
