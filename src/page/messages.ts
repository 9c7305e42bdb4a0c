/** What the page and its workers say to each other. */
import type { BackendInfo } from '../backends/backend.js';
import type { BackendOptions } from '../backends/open.js';
import type { BenchmarkReport, BenchmarkSettings } from './benchmark.js';
import type { TrainingReport, TrainingSettings, TrainingStep } from './training.js';
import type { VerificationReport, VerificationSettings } from './verification.js';

/** The ways of computing that a page can offer, each an engine of its own. */
export const ways = {
  webgpu: { title: 'WebGPU', options: { backend: 'webgpu' } },
  threads: { title: 'WebAssembly, threads', options: { backend: 'wasm', sharedMemory: true } },
  single: { title: 'WebAssembly, one thread', options: { backend: 'wasm', sharedMemory: false, threads: 1 } },
} as const satisfies Record<string, { readonly title: string; readonly options: BackendOptions }>;
export type Way = keyof typeof ways;
export const wayNames = Object.keys(ways) as Way[];

/** What was found of one of them. */
export type Found =
  | { readonly way: Way; readonly available: true; readonly info: BackendInfo }
  | { readonly way: Way; readonly available: false; readonly reason: string };

export interface Surroundings {
  readonly cores: number;
  /** Whether the page is cross-origin isolated, which shared memory and so threads need. */
  readonly isolated: boolean;
  readonly found: readonly Found[];
}

/** What a worker can be asked to do, and what it answers. */
export interface Jobs {
  look: { readonly settings: Record<string, never>; readonly report: Surroundings };
  benchmark: { readonly settings: BenchmarkSettings; readonly report: BenchmarkReport };
  verification: { readonly settings: VerificationSettings; readonly report: VerificationReport };
  training: { readonly settings: TrainingSettings; readonly report: TrainingReport };
}
export type JobName = keyof Jobs;

export type Order = { readonly [J in JobName]: { readonly job: J; readonly settings: Jobs[J]['settings'] } }[JobName];

/** What comes back while a job runs, and at its end. */
export type Message =
  | { readonly kind: 'progress'; readonly done: number; readonly total: number; readonly note: string }
  /** A step of a training. */
  | { readonly kind: 'step'; readonly step: TrainingStep }
  | { readonly kind: 'report'; readonly report: Jobs[JobName]['report'] }
  | { readonly kind: 'failure'; readonly reason: string };

/** How a job tells how far it is. */
export type OnProgress = (done: number, total: number, note: string) => void;
