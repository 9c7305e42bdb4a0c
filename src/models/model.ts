/** What a network is before it meets a backend: a graph for any batch size, and the recipe it was published with. */
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import type { SgdAttributes } from '../ops/sgd.js';

/** How pixels become the input tensor. Data, so that it can be stored beside the weights. */
export interface Preprocessing {
  readonly channels: 'RGB' | 'BGR' | 'grey';
  /** 'warp' resizes to `resize`×`resize` whatever the aspect; 'shorter-side' keeps it and cuts the centre. */
  readonly fit: 'warp' | 'shorter-side';
  readonly resize: number;
  /** Centre crop taken after resizing: the network's input size. */
  readonly crop: number;
  /** Pixel values are (v − mean[c]) · scale, v from 0 to 255, in the order of `channels`. */
  readonly mean: readonly number[];
  readonly scale: number;
}

export type Schedule =
  | { readonly kind: 'fixed' }
  /** lr · gamma^⌊iteration / size⌋ (Caffe's step). */
  | { readonly kind: 'step'; readonly size: number; readonly gamma: number };

export interface Recipe {
  readonly batch: number;
  readonly learningRate: number;
  readonly iterations: number;
  readonly schedule: Schedule;
  readonly optimizer: Partial<SgdAttributes>;
}

/** The values that `Model.build` leaves for losses and readers to attach to. */
export interface Built {
  /** [N, classes] */
  readonly logits: Value;
}

export interface Model {
  /** Preset name: 'caffe-alexnet'. */
  readonly name: string;
  /** The options it was made with, JSON-able, so that a weights file can say how to make it again. */
  readonly options: Readonly<Record<string, number | string | boolean>>;
  /** [C, H, W] of one input image. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  readonly preprocessing: Preprocessing;
  readonly recipe: Recipe;
  /** Adds the network for `images` [N, C, H, W] to a graph. `random` is there in training graphs: the key of dropout. */
  build(g: GraphBuilder, images: Value, random: Value | undefined): Built;
}
