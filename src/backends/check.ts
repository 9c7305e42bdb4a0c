/** Checks of a run's arguments that all backends make alike, before any device work. */
import { ArgumentError, InputError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { type DType, elements, formatShape } from '../ops/define.js';
import type { RunOptions, TypedArray } from './backend.js';

/** The array that holds a tensor of an element type. */
export const arrayOf = {
  f32: Float32Array,
  i32: Int32Array,
  i16: Int16Array,
  u8: Uint8Array,
} as const satisfies Record<DType, unknown>;

/** Throws an InputError unless every input of the graph is there with its length and element type. */
export function checkInputs(graph: Graph, inputs: Readonly<Record<string, TypedArray>>): void {
  for (const [name, id] of graph.inputs) {
    const { dtype, shape } = graph.values[id];
    const expected = `expected ${dtype} ${formatShape(shape)} in a ${arrayOf[dtype].name} of ${elements(shape)}`;
    const given = inputs[name];
    if (given === undefined) throw new InputError(`graph '${graph.name}': input '${name}' is missing; ${expected}`);
    if (!(given instanceof arrayOf[dtype]) || given.length !== elements(shape)) {
      const got = ArrayBuffer.isView(given) ? `a ${given.constructor.name} of ${given.length}` : String(given);
      throw new InputError(`graph '${graph.name}': input '${name}': ${expected}, got ${got}`);
    }
  }
}

/** Names of the outputs that a run copies out; throws an ArgumentError for a name or an array that does not fit. */
export function checkFetch(graph: Graph, { fetch, into = {} }: RunOptions): readonly string[] {
  const names = fetch ?? [...graph.outputs.keys()];
  for (const name of [...names, ...Object.keys(into)]) {
    const id = graph.outputs.get(name);
    if (id === undefined) {
      throw new ArgumentError(
        `graph '${graph.name}' has no output '${name}'; the outputs are ${[...graph.outputs.keys()].join(', ')}`,
      );
    }
    const target = into[name];
    const { shape } = graph.values[id];
    if (target !== undefined && (!(target instanceof Float32Array) || target.length !== elements(shape))) {
      throw new ArgumentError(
        `graph '${graph.name}': the array for output '${name}' must be a Float32Array of ${elements(shape)}, ` +
          `got a ${target.constructor.name} of ${target.length}`,
      );
    }
  }
  return names;
}
