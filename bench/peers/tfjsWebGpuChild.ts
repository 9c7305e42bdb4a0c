/** The process that `openTfjsWebGpu` starts. */
import { openSafetensors } from '../../src/formats/safetensors.js';
import { type Implementation, importPeer } from '../implementation.js';
import { readFloats } from './floats.js';
import { provideGpu } from './nodeGpu.js';
import { serve } from './peerChild.js';
import { openTfjsNetwork, type TfjsSetting } from './tfjsNetwork.js';

export interface Opening extends TfjsSetting {
  /** Safetensors. */
  readonly weights: string;
  /** Files of float32, [N, C, H, W]. */
  readonly images: readonly string[];
}

async function open({ weights, images, ...setting }: Opening): Promise<Implementation> {
  await provideGpu();
  const tfjs = await importPeer('tfjs-webgpu', loadTfjs);
  const file = await openSafetensors(weights);
  try {
    return await openTfjsNetwork(tfjs, setting, {
      weight: (name) => file.read(name),
      images: (index) => readFloats(images[index]),
    });
  } finally {
    await file.close();
  }
}

/** The file that the build makes of tfjs.ts. */
async function loadTfjs(): Promise<typeof import('./tfjs.js')> {
  return (await import(new URL('./tfjs.cjs', import.meta.url).href)).default;
}

serve(open);
