/** What the build makes one file of (tfjs.cjs): tfjs' packages for Node come without the gradients, and its modules only load in bundlers. */
export * as tf from '@tensorflow/tfjs-core';

import '@tensorflow/tfjs-core/dist/register_all_gradients.js';

/** Looks for `navigator.gpu` when it is loaded, so that this comes later than the rest. */
export async function useWebGpu(): Promise<void> {
  await import('@tensorflow/tfjs-backend-webgpu');
}
