/**
 * What to compute, as data: values with static types and nodes in an order in which they can run.
 * Made by the `GraphBuilder`, extended by `differentiate`, rewritten by passes, read by planner and backends.
 */
import type { Attributes, Op, TensorType } from '../ops/define.js';

/** How a variable starts, drawn on the host in float64 and rounded once. `std` and `limit` are absolute. */
export type Initializer =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly std: number; readonly mean?: number }
  | { readonly kind: 'uniform'; readonly limit: number }
  /** N(0, 2/fan_in): He et al. 2015, eq. 10. */
  | { readonly kind: 'he' };

/** What a variable is to a training program. */
export interface VariableSpec {
  /**
   * 'parameter' is learned; 'state' belongs to an optimizer and never enters an inference graph; 'scale' holds the factors of
   * the rows of an int16 parameter, and is written together with it; 'scratch' passes something from one run of a training step to the
   * next, and means nothing between steps.
   */
  readonly role: 'parameter' | 'state' | 'scale' | 'scratch';
  readonly init: Initializer;
  /** Factor on the learning rate (Caffe's lr_mult). */
  readonly learningRateMultiplier: number;
  /** Factor on the weight decay (Caffe's decay_mult). */
  readonly decayMultiplier: number;
}

export interface Value extends TensorType {
  readonly id: number;
  readonly name: string;
  /** Inputs come with each run; variables live in the parameter store; intermediates live within one run. */
  readonly kind: 'input' | 'variable' | 'intermediate';
  readonly variable?: VariableSpec;
}

export interface Node<A extends Attributes = Attributes> {
  /** Unique: 'conv1', 'conv1/dataGradient', 'fc6.weight/sgd'. */
  readonly name: string;
  readonly op: Op<A>;
  readonly attributes: A;
  /** Value ids. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** The layer that the node belongs to in tables: 'conv1'. */
  readonly layer: string;
  readonly phase: 'forward' | 'backward' | 'update';
}

export interface Graph {
  readonly name: string;
  /** Indexed by value id. */
  readonly values: readonly Value[];
  readonly nodes: readonly Node[];
  /** Input values by name, in order of declaration. */
  readonly inputs: ReadonlyMap<string, number>;
  /** Values to be read after a run, by name. */
  readonly outputs: ReadonlyMap<string, number>;
  /** Variable id → id of the value that replaces its content at the end of the run (written in place). */
  readonly updates: ReadonlyMap<number, number>;
}
