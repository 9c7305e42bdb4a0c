/** The process that `openOnnxruntimeWeb` starts: answers each message with one, and times its own runs. */
import { readFile } from 'node:fs/promises';
import { importPeer, MissingPeer } from '../implementation.js';
import { ownPeakRss } from '../memory.js';
import { OnnxSession } from './onnxSession.js';

export interface Opening {
  /** Of the ONNX file, and of a file of float32 for each input. */
  readonly paths: { readonly onnx: string; readonly images: readonly string[] };
  readonly imagesShape: readonly number[];
  readonly threads: number;
}

export type Request =
  | ({ readonly kind: 'open' } & Opening)
  | { readonly kind: 'run' | 'logits'; readonly index: number }
  | { readonly kind: 'memory' };

export type Reply =
  | { readonly opened: { readonly version?: string; readonly threads: number } }
  | { readonly ms: number }
  | { readonly logits: Float32Array }
  | { readonly peakRss: number }
  | { readonly error: string; readonly missing: boolean };

async function open({ paths, imagesShape, threads }: Opening): Promise<OnnxSession> {
  const ort = await importPeer('onnxruntime-web', () => import('onnxruntime-web'));
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(paths.onnx, { executionProviders: ['wasm'] });
  const inputs = paths.images.map(async (path) => {
    const { buffer, byteOffset, byteLength } = await readFile(path);
    const images = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
    return new ort.Tensor('float32', images, imagesShape);
  });
  return new OnnxSession(
    {
      name: 'onnxruntime-web',
      version: ort.env.versions.web ?? ort.env.versions.common,
      backend: 'wasm',
      // It falls back to one thread, and writes that here, where it cannot start workers.
      threads: ort.env.wasm.numThreads,
    },
    session,
    await Promise.all(inputs),
  );
}

let session: OnnxSession | undefined;

async function answer(request: Request): Promise<Reply> {
  if (request.kind === 'open') {
    session = await open(request);
    return { opened: { version: session.version, threads: session.threads } };
  }
  if (request.kind === 'memory') return { peakRss: ownPeakRss() };
  if (!session) throw new Error('no session has been opened');
  if (request.kind === 'logits') return { logits: await session.logits(request.index) };
  const start = performance.now();
  await session.run('forward', request.index);
  return { ms: performance.now() - start };
}

process.on('message', (request: Request) => {
  answer(request)
    .catch((error: Error): Reply => ({ error: error.message, missing: error instanceof MissingPeer }))
    .then((reply) => process.send?.(reply));
});

// Its worker threads would keep it alive.
process.on('disconnect', () => process.exit());
