/** The process that `openOnnxruntimeWeb` starts. */
import { readFile } from 'node:fs/promises';
import { type Implementation, importPeer } from '../implementation.js';
import { readFloats } from './floats.js';
import { provideGpu } from './nodeGpu.js';
import { OnnxSession } from './onnxSession.js';
import { serve } from './peerChild.js';

export interface Opening {
  readonly provider: 'wasm' | 'webgpu';
  /** Whether the provider computes on a graphics adapter. */
  readonly onAdapter: boolean;
  /** Of the ONNX file, and of a file of float32 for each input. */
  readonly paths: { readonly onnx: string; readonly images: readonly string[] };
  readonly imagesShape: readonly number[];
  readonly threads: number;
}

async function open({ provider, onAdapter, paths, imagesShape, threads }: Opening): Promise<Implementation> {
  if (onAdapter) await provideGpu();
  const ort = await importPeer('onnxruntime-web', () =>
    onAdapter ? import('onnxruntime-web/webgpu') : import('onnxruntime-web'),
  );
  ort.env.wasm.numThreads = onAdapter ? 1 : threads;
  // Its build for browsers takes a path for an address.
  const model = onAdapter ? new Uint8Array(await readFile(paths.onnx)) : paths.onnx;
  const session = await ort.InferenceSession.create(model as Uint8Array, { executionProviders: [provider] });
  const inputs = paths.images.map(async (path) => new ort.Tensor('float32', await readFloats(path), imagesShape));
  const opened = new OnnxSession(
    {
      name: 'onnxruntime-web',
      version: ort.env.versions.web ?? ort.env.versions.common,
      backend: provider,
      onAdapter,
      // It falls back to one thread, and writes that here, where it cannot start workers.
      threads: ort.env.wasm.numThreads,
    },
    session,
    await Promise.all(inputs),
  );
  // Its kernels for an adapter are compiled by the first run, which belongs to getting ready.
  if (onAdapter) await opened.logits(0);
  return opened;
}

serve(open);
