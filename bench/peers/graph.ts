import { lossGraph } from '../../src/engine/graphs.js';
import type { Model } from '../../src/models/model.js';
import type { Attributes } from '../../src/ops/define.js';

/** A network as plain data, for peers that build it out of their own ops: values are numbered. */
export interface GraphDescription {
  readonly images: number;
  /** [N, C, H, W] */
  readonly imagesShape: readonly number[];
  readonly labels: number;
  readonly logits: number;
  readonly loss: number;
  readonly variables: readonly {
    readonly id: number;
    readonly name: string;
    readonly shape: readonly number[];
    readonly decayMultiplier: number;
  }[];
  readonly nodes: readonly {
    readonly op: string;
    readonly attributes: Attributes;
    readonly inputs: readonly number[];
    readonly output: number;
  }[];
}

/** The graph with dropout and loss, before any of our rewrites. */
export function describeGraph(model: Model, batch: number): GraphDescription {
  const graph = lossGraph(model, batch);
  const images = graph.inputs.get('images') as number;
  return {
    images,
    imagesShape: graph.values[images].shape,
    labels: graph.inputs.get('labels') as number,
    logits: graph.outputs.get('logits') as number,
    loss: graph.outputs.get('loss') as number,
    variables: graph.values
      .filter(({ kind }) => kind === 'variable')
      .map(({ id, name, shape, variable }) => ({ id, name, shape, decayMultiplier: variable?.decayMultiplier ?? 1 })),
    nodes: graph.nodes.map(({ op, attributes, inputs, outputs }) => ({
      op: op.name,
      attributes,
      inputs,
      output: outputs[0],
    })),
  };
}
