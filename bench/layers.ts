/** What a layer takes, and how near that is to what the machine could do. */
import type { LayerProfile, StepsProfile } from '../src/engine/profile.js';
import type { Result } from './report.js';

/** Some of a layer's work: one op in one phase, or all of them. */
export interface LayerWork {
  readonly op: string;
  readonly algorithm: string;
  readonly ms: number;
  /** By the direct-convolution count, whatever the algorithm. */
  readonly gflops: number;
  /** Of as many cores as there are threads; absent on an adapter. */
  readonly percentOfPeak?: number;
  /** That must be read or written at least once. */
  readonly bytes: number;
  readonly gbPerSecond: number;
  /** Of `ms`, what one thread spends inside the products of matrices, without the packing and the transforms around them. */
  readonly gemmMs?: number;
  /** Its rate there, by the multiply-adds really done. */
  readonly gemmGflops?: number;
  /** Of one core. */
  readonly gemmPercentOfPeak?: number;
}

export interface LayerTiming extends LayerWork {
  readonly name: string;
  readonly phase: LayerProfile['phase'];
  /** The same for each op of the layer in this phase. */
  readonly ops: readonly LayerWork[];
}

/** @param peak GFLOP/s of one core; none on an adapter */
export function layerTiming(profile: LayerProfile, threads: number, peak: number | undefined): LayerTiming {
  return {
    name: profile.name,
    phase: profile.phase,
    ...workOf(profile, threads, peak),
    ops: profile.ops.map((op) => workOf(op, threads, peak)),
  };
}

function workOf(profile: StepsProfile, threads: number, peak: number | undefined): LayerWork {
  const { op, algorithm, ms, flops, bytes, product } = profile;
  const gflops = flops / ms / 1e6;
  const work = { op, algorithm, ms, gflops, bytes, gbPerSecond: bytes / ms / 1e6 };
  if (peak === undefined) return work;
  const percentOfPeak = (gflops / (threads * peak)) * 100;
  if (!product) return { ...work, percentOfPeak };
  const gemmGflops = (2 * product.multiplyAdds) / product.ms / 1e6;
  return { ...work, percentOfPeak, gemmMs: product.ms, gemmGflops, gemmPercentOfPeak: (gemmGflops / peak) * 100 };
}

const phases = ['forward', 'backward', 'update'] as const;
export type Phase = (typeof phases)[number];

/** All phases of one of our networks at one batch size, layer by layer. */
export interface LayerTable {
  /** The result that stands for the network: any of those that the table was made of. */
  readonly result: Result;
  readonly rows: readonly LayerRow[];
  readonly totalMs: number;
}

export type LayerRow = {
  readonly name: string;
  /** Of the table's total time. */
  readonly share: number;
} & { readonly [phase in Phase]?: LayerTiming };

/** Modes that a phase is taken from, the first that was measured. Updates do some of the backward work, and so go together with it. */
const modesOf: Readonly<Record<Phase, readonly Result['mode'][]>> = {
  forward: ['forward', 'step'],
  backward: ['step', 'backward'],
  update: ['step'],
};

/** One table for each network, number of threads and batch size. */
export function layerTables(results: readonly Result[]): LayerTable[] {
  const groups = new Map<string, Result[]>();
  for (const result of results) {
    if (!result.layers) continue;
    const { backend, variant, threads, batch } = result;
    const key = JSON.stringify([backend, variant, threads, batch]);
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  return [...groups.values()].map((group) => {
    const layersOf = (phase: Phase) => {
      const found = modesOf[phase].flatMap((mode) => group.find((result) => result.mode === mode) ?? []);
      return (found[0]?.layers ?? []).filter((layer) => layer.phase === phase);
    };
    const timings = phases.flatMap(layersOf);
    const totalMs = timings.reduce((sum, { ms }) => sum + ms, 0);
    const rows = inOrder(layersOf('forward'), layersOf('backward')).map((name) => {
      const own = timings.filter((timing) => timing.name === name);
      const share = own.reduce((sum, { ms }) => sum + ms, 0) / totalMs;
      return { name, share, ...Object.fromEntries(own.map((timing) => [timing.phase, timing])) };
    });
    return { result: group[0], rows, totalMs };
  });
}

/** Names of the layers as data flows forward; one that only the backward phase has (a fused ReLU) follows its neighbour there. */
function inOrder(forward: readonly LayerTiming[], backward: readonly LayerTiming[]): string[] {
  const names = forward.map(({ name }) => name);
  let previous = -1;
  for (const { name } of backward.toReversed()) {
    if (!names.includes(name)) names.splice(previous + 1, 0, name);
    previous = names.indexOf(name);
  }
  return names;
}

/** One line of a table of layers: an op of a layer in one phase. */
export interface LayerLine extends LayerWork {
  readonly name: string;
  readonly phase: Phase;
}

export function layerLines(rows: readonly LayerRow[]): LayerLine[] {
  return rows.flatMap((row) =>
    phases.flatMap((phase) => (row[phase]?.ops ?? []).map((op) => ({ ...op, name: row.name, phase }))),
  );
}

/** Sums of each phase that was measured. */
export function phaseTotals({ rows }: LayerTable): { phase: Phase; work: Omit<LayerWork, 'op' | 'algorithm'> }[] {
  return phases.flatMap((phase) => {
    const layers = rows.flatMap((row) => row[phase] ?? []);
    if (layers.length === 0) return [];
    const sum = (figure: (layer: LayerTiming) => number) => layers.reduce((total, layer) => total + figure(layer), 0);
    const ms = sum((layer) => layer.ms);
    const gflops = sum((layer) => layer.gflops * layer.ms) / ms;
    const bytes = sum((layer) => layer.bytes);
    const work = { ms, gflops, bytes, gbPerSecond: bytes / ms / 1e6 };
    if (layers[0].percentOfPeak === undefined) return [{ phase, work }];
    return [{ phase, work: { ...work, percentOfPeak: sum((layer) => (layer.percentOfPeak ?? 0) * layer.ms) / ms } }];
  });
}
