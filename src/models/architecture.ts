/**
 * A network of the family as data: blocks of one convolutional or locally connected layer each, with what follows it, then fully
 * connected layers. `family.ts` makes a model of it, with the options that change it.
 */
import type { Initializer } from '../graph/graph.js';
import type { LrnAttributes } from '../ops/lrn.js';

/** How a variable starts; 'fan-in' is torch's default for weights and biases alike, U(±1/√fan_in). */
export type Start = Initializer | { readonly kind: 'fan-in' };

/** How a layer starts and learns; multipliers are 1 where they are missing. */
export interface Learning {
  readonly weight: Start;
  readonly bias: Start;
  readonly weightRate?: number;
  readonly biasRate?: number;
  readonly weightDecay?: number;
  readonly biasDecay?: number;
}

/** What follows a layer, in this order; `mapNorm` is the 2012 source's second normalisation. */
export type Stage = 'activation' | 'norm' | 'mapNorm' | 'pool';

export interface Block {
  /** 'conv1', 'local3'. */
  readonly name: string;
  readonly kind: 'convolution' | 'local';
  readonly filters: number;
  readonly kernel: number;
  readonly stride?: number;
  /** 'ceil' adds zeros below and to the right until the strides come out even (cuda-convnet). */
  readonly padding?: number | 'ceil';
  /** With two towers it reads the channels of its own tower only. */
  readonly ownTower?: boolean;
  readonly stages: readonly Stage[];
  /** 'max' where it is missing. */
  readonly pool?: 'max' | 'avg';
  readonly learning: Learning;
}

export interface Dense {
  /** 'fc6'. */
  readonly name: string;
  /** Number in the names of its activation and dropout; the digits of `name` where it is missing. */
  readonly number?: number;
  /** Of a hidden layer; the last layer has a unit for each class. */
  readonly units?: number;
  /** Whether the activation function follows. */
  readonly activation?: boolean;
  readonly learning: Learning;
}

/** Local response normalisation: across channels, or within each map over windows of size × size. */
export interface Norm extends Pick<LrnAttributes, 'size' | 'alpha' | 'beta' | 'k' | 'alphaPer'> {
  readonly within: 'channels' | 'map';
  /** Windows stay within a tower. */
  readonly perTower: boolean;
}

export interface Pooling {
  readonly kernel: number;
  readonly stride: number;
  readonly rounding: 'floor' | 'ceil';
  /** Where the gradient of a maximum goes; the first one where it is missing. */
  readonly ties?: 'first' | 'all';
}

export type DropoutPlace = 'outputs' | 'inputs' | 'blocks';

export interface Architecture {
  readonly channels: number;
  readonly inputSize: number;
  /** The smallest input with which every layer has an output. */
  readonly leastInputSize: number;
  readonly classes: number;
  readonly towers: 1 | 2;
  /** What 'norm' stages are; `hasNorm` tells whether the preset has them or only the option puts them in. */
  readonly norm: Norm;
  readonly hasNorm: boolean;
  readonly mapNorm?: Norm;
  readonly pooling: Pooling;
  /** Side of the map that an adaptive average pooling makes after the last block. */
  readonly adaptivePool?: number;
  readonly blocks: readonly Block[];
  readonly dense: readonly Dense[];
  readonly dropout: {
    readonly probability: number;
    readonly place: DropoutPlace;
    readonly scaleAt: 'train' | 'test';
  };
}

/** The windows in use: the paper's formula, the program that made the paper's figures, and Caffe's. */
export const norms = {
  paper: { within: 'channels', size: 5, alpha: 1e-4, beta: 0.75, k: 2, alphaPer: 'element', perTower: true },
  source: { within: 'channels', size: 5, alpha: 1e-4, beta: 0.75, k: 2, alphaPer: 'window', perTower: true },
  caffe: { within: 'channels', size: 5, alpha: 1e-4, beta: 0.75, k: 1, alphaPer: 'window', perTower: false },
} as const satisfies Readonly<Record<string, Norm>>;

/** Weights N(0, std²) and a constant bias. */
export function gaussian(std: number, bias: number, rates: Omit<Learning, 'weight' | 'bias'> = {}): Learning {
  return { weight: { kind: 'normal', std }, bias: { kind: 'constant', value: bias }, ...rates };
}

/** Caffe's lr_mult and decay_mult of AlexNet: biases learn twice as fast and do not decay. */
export const caffeRates = { biasRate: 2, biasDecay: 0 } as const;
