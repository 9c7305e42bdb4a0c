/** Devices of a test's own, and calls of theirs to watch or to spoil. */
import { findAdapter } from '../../src/backends/webgpu/adapter.js';

/** A device as a caller would open it. */
export async function ownDevice(features: readonly GPUFeatureName[] = []): Promise<GPUDevice> {
  const adapter = await findAdapter();
  return adapter.requestDevice({ requiredFeatures: features.filter((feature) => adapter.features.has(feature)) });
}

/** Replaces a method by what `by` makes of it, until what is returned is called. */
export function intercept<T extends object, K extends keyof T>(
  object: T,
  name: K,
  by: (own: T[K]) => T[K],
): () => void {
  const own = object[name];
  object[name] = by(typeof own === 'function' ? own.bind(object) : own);
  return () => {
    object[name] = own;
  };
}
