/** The part of a model that the engine needs. `Model` of `src/models` has it, and so has any object made by hand. */
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import type { OptimizerSettings } from './optimizer.js';

export interface NetworkDefinition {
  readonly name: string;
  /** [C, H, W] of one input image. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  /** What training uses when the caller says nothing. */
  readonly recipe?: { readonly learningRate: number; readonly optimizer: OptimizerSettings };
  /** Adds the network for `images` [N, C, H, W] to a graph; `random` is there in training graphs: the key of dropout. */
  build(g: GraphBuilder, images: Value, random: Value | undefined): { readonly logits: Value };
}
