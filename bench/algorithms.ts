import { gradientsGraph, inferenceGraph } from '../src/engine/graphs.js';
import { ArgumentError } from '../src/errors.js';
import type { Model } from '../src/models/model.js';

/**
 * @param forced op or node → algorithm
 * @throws ArgumentError for a name that is neither an op nor a node of the network, forward or backward
 */
export function checkNames(model: Model, forced: Readonly<Record<string, string>>): void {
  if (Object.keys(forced).length === 0) return;
  const inference = inferenceGraph(model, 1);
  const parameters = inference.values.filter(({ kind }) => kind === 'variable').map(({ name }) => name);
  const nodes = [...inference.nodes, ...gradientsGraph(model, 1, parameters).nodes];
  const ops = new Set(nodes.map(({ op }) => op.name));
  const names = new Set(nodes.map(({ name }) => name));
  for (const name of Object.keys(forced)) {
    if (ops.has(name) || names.has(name)) continue;
    const known = `ops ${[...ops].join(', ')}; nodes ${[...names].join(', ')}`;
    throw new ArgumentError(`${model.name} has no op and no node '${name}' whose algorithm could be forced (${known})`);
  }
}
