/** How a graph will be computed: the printable result of lowering and memory planning. */
import type { Cost } from '../ops/define.js';

export interface PlanStep extends Cost {
  /** Node of the graph that the step belongs to; packing steps belong to the node that reads the packed form. */
  readonly node: string;
  readonly layer: string;
  readonly phase: 'forward' | 'backward' | 'update';
  readonly op: string;
  readonly algorithm: string;
  readonly kernel: string;
}

export interface PlanBuffer {
  readonly name: string;
  readonly bytes: number;
  readonly offset: number;
  /** First and last step that touches the buffer. */
  readonly first: number;
  readonly last: number;
}

/** What autotuning measured for a node. */
export interface NodeTuning {
  readonly node: string;
  readonly op: string;
  /** The fastest. */
  readonly algorithm: string;
  /** Milliseconds by algorithm. */
  readonly ms: Readonly<Record<string, number>>;
}

export interface Plan {
  readonly graph: string;
  readonly backend: string;
  readonly steps: readonly PlanStep[];
  /** Intermediates and scratch, placed in one arena. */
  readonly buffers: readonly PlanBuffer[];
  /** Bytes of variables, packed parameters kept between runs, and the arena (intermediates, scratch, inputs). */
  readonly bytes: {
    readonly variables: number;
    readonly packed: number;
    readonly arena: number;
    readonly total: number;
  };
  /** Nodes whose algorithm was chosen by measurement; absent when shapes alone decided. */
  readonly tuning?: readonly NodeTuning[];
}
