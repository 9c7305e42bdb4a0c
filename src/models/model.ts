/** What a network is before it meets a backend: a graph for any batch size, and the recipe it was published with. */
import type { OptimizerSettings } from '../engine/optimizer.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import type { Augmentation } from './augmentation.js';
import type { Schedule, ScheduleOverride } from './schedule.js';

export type { Augmentation, ColourNoise } from './augmentation.js';
export type { Schedule, ScheduleOverride } from './schedule.js';

/** How pixels become the input tensor. Data, so that it can be stored beside the weights. */
export interface Preprocessing {
  readonly channels: 'RGB' | 'BGR' | 'grey';
  /** 'warp' resizes to `resize`×`resize` whatever the aspect; 'shorter-side' keeps it and cuts the centre. */
  readonly fit: 'warp' | 'shorter-side';
  readonly resize: number;
  /** Centre crop taken after resizing: the network's input size. */
  readonly crop: number;
  /** Pixel values are (v − mean[c]) · scale / std[c], v from 0 to 255, in the order of `channels`. */
  readonly mean: readonly number[];
  readonly scale: number;
  /** 1 for every channel where it is missing. */
  readonly std?: readonly number[];
  /**
   * The source subtracts the mean image of its training set, pixel by pixel and in evaluation too. `mean` are the means of its
   * channels: they serve where no mean image is at hand.
   */
  readonly meanImage?: boolean;
}

export interface Recipe {
  readonly batch: number;
  /** At the start; a parameter's is this times its multiplier. */
  readonly learningRate: number;
  readonly iterations: number;
  readonly schedule: Schedule;
  /** Parameters that do not follow `schedule`; the last entry that names a parameter counts. */
  readonly overrides?: readonly ScheduleOverride[];
  readonly optimizer: OptimizerSettings;
  /** Images of the training set: an epoch has trainingImages / batch iterations. Needed by schedules that count epochs. */
  readonly trainingImages?: number;
  /** Published variants of the schedule. */
  readonly alternatives?: readonly RecipeVariant[];
}

/** Another way of training the same network that a source has. */
export interface RecipeVariant {
  readonly name: string;
  readonly source: string;
  readonly iterations: number;
  readonly schedule: Schedule;
  readonly overrides?: readonly ScheduleOverride[];
}

/** The values that `Model.build` leaves for losses and readers to attach to. */
export interface Built {
  /** [N, classes] */
  readonly logits: Value;
}

export interface Model {
  /** Preset name: 'caffe-alexnet'. */
  readonly name: string;
  /** Of a network that came from elsewhere and is no preset: its graph as JSON, which makes it again. */
  readonly structure?: string;
  /** The options it was made with, JSON-able, so that a weights file can say how to make it again. */
  readonly options: Readonly<Record<string, number | string | boolean>>;
  /** [C, H, W] of one input image. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** Names of the classes in their order, where they are known: those of a training set. */
  readonly classNames?: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly recipe: Recipe;
  /** What training images go through beside `preprocessing`; nothing where it is missing. */
  readonly augmentation?: Augmentation;
  /** Adds the network for `images` [N, C, H, W] to a graph. `random` is there in training graphs: the key of dropout. */
  build(g: GraphBuilder, images: Value, random: Value | undefined): Built;
  /** Of a network that is no preset: the same with another head. Throws an ArgumentError where that cannot be. */
  withClasses?(classes: number): Model;
}
