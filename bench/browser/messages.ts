/** What a page is asked to do for `bench --browser`, and by which names; it computes in a worker (worker.ts). */
import type { BackendInfo } from '../../src/backends/backend.js';
import type { ModelOptions } from '../../src/models/options.js';
import type { Mode } from '../implementation.js';
import type { Request } from '../peers/protocol.js';
import type { TfjsSetting } from '../peers/tfjsNetwork.js';
import type { OpeningTimes, OwnSetting } from '../tandem.js';

/** Our engine with one network. */
export interface NetworkOpening extends OwnSetting {
  /** A preset. */
  readonly model: { readonly name: string; readonly options: ModelOptions };
  readonly threads?: number;
}

export interface NetworkOpened {
  readonly info: BackendInfo;
  readonly opening: OpeningTimes;
}

/** Inputs by the addresses of their images: float32, [N, C, H, W]. */
export interface Inputs {
  readonly batch: number;
  readonly images: readonly string[];
  readonly labels: readonly (readonly number[])[];
}

export type PeerOpening =
  | {
      readonly peer: 'tfjs-webgpu';
      readonly setting: TfjsSetting;
      /** Address of a safetensors file. */
      readonly weights: string;
      readonly images: readonly string[];
    }
  | {
      readonly peer: 'onnxruntime-web';
      readonly provider: 'wasm' | 'webgpu';
      /** Whether the provider computes on a graphics adapter. */
      readonly onAdapter: boolean;
      /** Address of its module for browsers. */
      readonly module: string;
      readonly onnx: string;
      readonly images: readonly string[];
      readonly imagesShape: readonly number[];
      readonly threads: number;
    };

export type PageRequest =
  | { readonly kind: 'network'; readonly opening: NetworkOpening }
  | { readonly kind: 'algorithms'; readonly batch: number }
  /** From now on the network computes on these inputs. */
  | { readonly kind: 'at'; readonly inputs: Inputs }
  | { readonly kind: 'layers'; readonly mode: Mode; readonly runMs: number }
  /** Gives the memory of a mode back to the others. */
  | { readonly kind: 'rest' }
  | { readonly kind: 'peer'; readonly opening: PeerOpening }
  | Request;
