/** What libraries made for browsers look for: `navigator.gpu` and WebGPU's names as globals, here of the adapter that we compute on. */
import { findGpu } from '../../src/backends/webgpu/adapter.js';
import { importPeer } from '../implementation.js';

/** @throws BackendError when there is no WebGPU here */
export async function provideGpu(): Promise<void> {
  const { globals } = await importPeer('webgpu', () => import('webgpu'));
  const gpu = await findGpu();
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu, userAgent: 'Node.js', hardwareConcurrency: 1 },
    configurable: true,
  });
  acceptSharedMemory();
}

/** Browsers' queues take bytes from the shared memory of WebAssembly; the one in Node refuses it, so that it is copied first. */
function acceptSharedMemory(): void {
  const queue = (globalThis as unknown as { GPUQueue: { prototype: GPUQueue } }).GPUQueue.prototype;
  const { writeBuffer } = queue;
  queue.writeBuffer = function (buffer, at, data, from = 0, size = undefined) {
    if (!(data instanceof Uint8Array && data.buffer instanceof SharedArrayBuffer)) {
      return writeBuffer.call(this, buffer, at, data as BufferSource, from, size);
    }
    const end = size === undefined ? undefined : from + size;
    return writeBuffer.call(this, buffer, at, Uint8Array.from(data.subarray(from, end)));
  };
}
