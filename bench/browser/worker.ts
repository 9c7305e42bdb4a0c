/** In a page's worker: one network of ours, or one peer, as site.ts asks for it. */
import { openSafetensors } from '../../src/formats/safetensors.js';
import { preset } from '../../src/models/presets.js';
import { type Implementation, importPeer } from '../implementation.js';
import { OnnxSession } from '../peers/onnxSession.js';
import { answer, describe, failure } from '../peers/protocol.js';
import { openTfjsNetwork } from '../peers/tfjsNetwork.js';
import { type Tandem, TandemNetwork } from '../tandem.js';
import type { Inputs, NetworkOpened, PageRequest, PeerOpening } from './messages.js';

let network: TandemNetwork | undefined;
let own: Tandem | undefined;
let peer: Implementation | undefined;

async function blobOf(address: string): Promise<Blob> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.blob();
}

async function floatsOf(address: string): Promise<Float32Array> {
  return new Float32Array(await (await blobOf(address)).arrayBuffer());
}

async function reply(request: PageRequest): Promise<object> {
  switch (request.kind) {
    case 'network': {
      const { model, ...setting } = request.opening;
      network = await TandemNetwork.open({ model: preset(model.name, model.options), ...setting });
      return { info: network.info, opening: network.opening } satisfies NetworkOpened;
    }
    case 'algorithms':
      await network?.checkAlgorithms(request.batch);
      return {};
    case 'at':
      own = await computeOn(request.inputs);
      return describe(own);
    case 'peer':
      peer = await openPeer(request.opening);
      return describe(peer);
    case 'layers':
      return { layers: await own?.layers(request.mode, request.runMs) };
    case 'rest':
      await own?.close();
      return {};
    default: {
      const implementation = peer ?? own;
      if (!implementation) throw new Error('nothing has been opened');
      return answer(implementation, request);
    }
  }
}

async function computeOn({ batch, images, labels }: Inputs): Promise<Tandem> {
  if (!network) throw new Error('no network has been opened');
  await own?.close();
  const inputs = images.map(async (address, i) => ({
    images: await floatsOf(address),
    labels: Int32Array.from(labels[i]),
  }));
  return network.at({ batch, inputs: await Promise.all(inputs) });
}

async function openPeer(opening: PeerOpening): Promise<Implementation> {
  if (opening.peer === 'tfjs-webgpu') {
    const tfjs = await importPeer('tfjs-webgpu', () => import('../peers/tfjs.js'));
    const file = await openSafetensors(await blobOf(opening.weights));
    return openTfjsNetwork(tfjs, opening.setting, {
      weight: (name) => file.read(name),
      images: (index) => floatsOf(opening.images[index]),
    });
  }
  const { provider, onAdapter, module, onnx, images, imagesShape, threads } = opening;
  const ort = await importPeer<typeof import('onnxruntime-web')>('onnxruntime-web', () => import(module));
  ort.env.wasm.numThreads = onAdapter ? 1 : threads;
  const bytes = new Uint8Array(await (await blobOf(onnx)).arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: [provider] });
  const inputs = images.map(async (address) => new ort.Tensor('float32', await floatsOf(address), imagesShape));
  const opened = new OnnxSession(
    {
      name: 'onnxruntime-web',
      version: ort.env.versions.web ?? ort.env.versions.common,
      backend: provider,
      onAdapter,
      // It falls back to one thread, and writes that here, where it cannot start workers.
      threads: ort.env.wasm.numThreads ?? 1,
    },
    session,
    await Promise.all(inputs),
  );
  // Its kernels for an adapter are compiled by the first run, which belongs to getting ready.
  if (onAdapter) await opened.logits(0);
  return opened;
}

globalThis.onmessage = async ({ data }: MessageEvent<PageRequest>) => {
  const given = await reply(data).catch(failure);
  // What leaves a page are plain lists.
  const content = 'logits' in given ? { logits: Array.from(given.logits as ArrayLike<number>) } : given;
  globalThis.postMessage(content);
};
