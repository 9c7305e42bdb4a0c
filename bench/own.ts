/** Our own side as the benchmark sees it, wherever it computes: in this process or in a page. */
import type { BackendInfo } from '../src/backends/backend.js';
import type { LayerProfile } from '../src/engine/profile.js';
import type { ModelFiles } from './files.js';
import type { Implementation, Mode } from './implementation.js';
import type { OpeningTimes, OwnSetting, TandemSetting } from './tandem.js';
import type { Workload } from './workload.js';

/** One engine with one network, for all batch sizes. */
export interface OwnNetwork {
  readonly info: BackendInfo;
  readonly setting: OwnSetting;
  readonly opening: OpeningTimes;
  at(workload: Workload): Own | Promise<Own>;
  /** Rejects for an algorithm that cannot be forced at this batch size, before anything is measured. */
  checkAlgorithms(batch: number): Promise<void>;
  /** The content of a parameter. */
  read(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}

/** The network at one batch size. */
export interface Own extends Implementation {
  readonly info: BackendInfo;
  readonly setting: OwnSetting;
  /**
   * Time per layer, by the backend's own clock.
   *
   * @param runMs about what a run takes
   */
  layers(mode: Mode, runMs: number): Promise<readonly LayerProfile[]>;
}

export function isOwn(implementation: Implementation): implementation is Own {
  return 'layers' in implementation;
}

/** Where everybody computes; by default our own side in this process. */
export interface Site {
  /** Of a browser: its name and version. */
  readonly browser: string;
  open(setting: TandemSetting): Promise<OwnNetwork>;
  /** Told before anything is measured: files that it must be able to read. */
  use(files: ModelFiles): void;
}
