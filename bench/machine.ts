import { availableParallelism, cpus } from 'node:os';
import type { BackendInfo } from '../src/backends/backend.js';
import { measurePeak } from '../src/backends/wasm/peak.js';
import type { Machine } from './report.js';

/** What the figures were measured on, with the peak rate of one core for the vectors of the first backend. */
export async function describeMachine(backends: readonly BackendInfo[]): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    backends: backends.map(({ description }) => description),
    peakGflopsPerCore: await measurePeak(backends[0].simd === 'relaxed' ? 'relaxed' : 'plain'),
  };
}
