import { availableParallelism, cpus, loadavg } from 'node:os';
import type { BackendInfo } from '../src/backends/backend.js';
import { measurePeak } from '../src/backends/wasm/peak.js';
import type { Machine } from './report.js';

type Measured = Pick<Machine, 'peakGflopsPerCore' | 'loadBefore' | 'browser'>;

/** What the figures were measured on. */
export function describeMachine(backends: readonly BackendInfo[], measured: Measured): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    backends: backends.map(({ description }) => description),
    adapter: backends.find(({ adapter }) => adapter)?.adapter?.name,
    ...measured,
  };
}

/** Mean over the last minute; 0 on systems that do not tell. */
export function load(): number {
  return loadavg()[0];
}

/** GFLOP/s of one core at this moment, by the multiply-adds that a backend uses. */
export function corePeak({ simd }: BackendInfo): Promise<number> {
  return measurePeak(simd === 'relaxed' ? 'relaxed' : 'plain');
}
