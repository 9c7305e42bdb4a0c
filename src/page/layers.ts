/**
 * Times of layers in a page. Browsers round their clocks, an adapter's timestamps too, to steps that are longer than many kernels run; a
 * difference of two rounded times is right on average, so that the mean of many runs is taken there.
 */
import type { Input } from '../../bench/workload.js';
import type { Network } from '../engine/network.js';
import type { LayerProfile, Profile } from '../engine/profile.js';
import type { ProfileOptions } from '../engine/types.js';
import { BackendError } from '../errors.js';

type LayerFigures = Pick<LayerProfile, 'name' | 'phase' | 'op' | 'algorithm' | 'ms'> & { readonly gflops: number };

export interface LayerTimes {
  /** Of an adapter that can time its kernels, and of WebAssembly. */
  readonly layers?: readonly LayerFigures[];
  /** Where the clock behind them is rounded to ticks: their milliseconds, and the runs that `layers` are the means of. */
  readonly layerClock?: { readonly tickMs: number; readonly runs: number };
}

/** Timed runs, by a clock that is fine. */
const repeats = 3;

/** By a rounded one: as many as fit into the budget, within limits. */
const rounded = { budgetMs: 3000, least: 3, most: 100 };

/** Milliseconds: what the WebGPU specification asks for, and 2^16 ns, which Dawn takes. */
const ticks = [0.1, 2 ** 16 / 1e6];

/** The step of a rounded clock that all these milliseconds are multiples of; undefined when they come of a finer one. */
export function tickOf(times: readonly number[]): number | undefined {
  return ticks.find((tick) => times.every((ms) => Math.abs(ms / tick - Math.round(ms / tick)) < 1e-3));
}

/** Nothing where the adapter cannot time its kernels. */
export async function timeLayers(
  network: Pick<Network, 'profile'>,
  mode: 'forward' | 'step',
  { images, labels }: Input,
): Promise<LayerTimes> {
  const profile = (options: ProfileOptions) => network.profile(mode, images, labels, options);
  try {
    const first = await profile({ repeats });
    const tickMs = tickOf(first.layers.map(({ ms }) => ms));
    if (tickMs === undefined) return { layers: figuresOf(first) };
    const { budgetMs, least, most } = rounded;
    const runs = Math.max(least, Math.min(most, Math.floor(budgetMs / first.wallMs)));
    return {
      layers: figuresOf(await profile({ repeats: runs, average: 'mean' })),
      layerClock: { tickMs, runs },
    };
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    return {};
  }
}

function figuresOf({ layers }: Profile): readonly LayerFigures[] {
  return layers.map(({ name, phase, op, algorithm, ms, flops }) => {
    return { name, phase, op, algorithm, ms, gflops: ms > 0 ? flops / ms / 1e6 : 0 };
  });
}
