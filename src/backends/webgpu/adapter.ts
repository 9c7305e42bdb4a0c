/** Finds WebGPU: `navigator.gpu` in a page or worker, the npm package `webgpu` (Dawn) in Node. */
import { BackendError } from '../../errors.js';

/** Numbers of the WebGPU specification, which some runtimes define as globals and some do not. */
export const bufferUsage = {
  mapRead: 1,
  copySource: 4,
  copyTarget: 8,
  uniform: 64,
  storage: 128,
  queryResolve: 512,
} as const;
export const mapRead = 1;

let nodeGpu: Promise<GPU> | undefined;

/**
 * Options of Dawn. Kernels write workgroup memory before they read it; on a software adapter, filling it with zeros would be most of what
 * compiling a kernel costs. The clock of timestamp queries comes as it is, not in steps of 65,536 ns, longer than many kernels run.
 */
const dawnOptions = ['enable-dawn-features=disable_workgroup_init', 'disable-dawn-features=timestamp_quantization'];

/** @throws BackendError saying what is missing */
export async function findGpu(): Promise<GPU> {
  const own = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (own) return own;
  if (!globalThis.process?.versions?.node) {
    throw new BackendError(
      'this browser has no WebGPU (navigator.gpu is missing; a page must also be served over https or from localhost)',
    );
  }
  if (lacksVulkan()) {
    throw new BackendError("WebGPU in Node needs Vulkan, which is not here (libvulkan.so.1; Debian's libvulkan1)");
  }
  nodeGpu ??= import('webgpu').then(({ create }) => create(dawnOptions) as GPU);
  try {
    return await nodeGpu;
  } catch (error) {
    nodeGpu = undefined;
    throw new BackendError(
      `WebGPU in Node needs the npm package 'webgpu' (npm install webgpu): ${(error as Error).message.split('\n')[0]}`,
      { cause: error },
    );
  }
}

/** Dawn would say so too, after loading some 100 MB, and on stderr. A library that is no module of Node is opened, then refused. */
function lacksVulkan(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1');
    return false;
  } catch (error) {
    return /cannot open shared object/.test((error as Error).message);
  }
}

export async function findAdapter(): Promise<GPUAdapter> {
  const gpu = await findGpu();
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new BackendError('WebGPU is here, but it found no adapter (no GPU, or no driver that it can use)');
  return adapter;
}

export function nameOf({ description, vendor, architecture }: GPUAdapterInfo): string {
  return description || `${vendor} ${architecture}`.trim() || 'unnamed adapter';
}

/** Whether an adapter computes on the CPU. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  const { isFallbackAdapter } = info as { isFallbackAdapter?: boolean };
  return (
    isFallbackAdapter === true ||
    /swiftshader|llvmpipe|lavapipe|basic render/i.test(`${info.architecture} ${info.description} ${info.device}`)
  );
}

/** Milliseconds from one poll of a software adapter to the next. */
const pause = 0.2;

/**
 * Waits for a software adapter. In Node, Dawn polls for results without a pause; that takes a core from the work that is waited for, so the
 * thread rests between polls, as long as it waits for nothing but work.
 */
export class Rests {
  private readonly never = new Int32Array(new SharedArrayBuffer(4));
  private working = 0;
  private answering = 0;

  /** Waits for work of the device. */
  async during<T>(work: Promise<T>): Promise<T> {
    if (this.working++ === 0) setImmediate(this.rest);
    try {
      return await work;
    } finally {
      this.working--;
    }
  }

  /** Waits for what comes with the next poll. */
  async notDuring<T>(answer: Promise<T>): Promise<T> {
    this.answering++;
    try {
      return await answer;
    } finally {
      this.answering--;
    }
  }

  private readonly rest = (): void => {
    if (this.working === 0) return;
    if (this.answering === 0) Atomics.wait(this.never, 0, 0, pause);
    setImmediate(this.rest);
  };
}
