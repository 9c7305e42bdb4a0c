/** Autotuning of one node: every legal algorithm is run on the node's own shapes, compared with the first, and timed. */
import { BackendError, DeviceLostError } from '../errors.js';
import type { Graph, Node, Value } from '../graph/graph.js';
import { elements, type TensorType } from '../ops/define.js';
import type { Backend, Executable, Storage, TypedArray } from './backend.js';
import { arrayOf } from './check.js';
import type { Tuning } from './tuningFile.js';

/** Each algorithm is run again until its times add up to this: a browser's clock moves in steps of 0.1 ms. */
const leastMs = 20;
/** But so often at least, and no more often when together they took `mostMs`. */
const leastRounds = 3;
const mostMs = 2000;
/** max|Δ| / max|first| that the results of two algorithms may differ by; Winograd's differ by some 10⁻⁶. */
const agreement = 1e-4;

/** What the time of a node depends on, as text: op, attributes, inputs, and which of them stand still from run to run. */
export function keyOf(graph: Graph, node: Node): string {
  const operands = node.inputs.map((id) => {
    const { dtype, shape } = graph.values[id];
    return `${dtype}[${shape.join('×')}]${standsStill(graph, id) ? ' constant' : ''}`;
  });
  return `${node.op.name} ${operands.join(', ')} ${JSON.stringify(node.attributes)}`;
}

/** Variables that the graph does not change: what is packed of them is packed once. */
function standsStill(graph: Graph, id: number): boolean {
  return graph.values[id].kind === 'variable' && !graph.updates.has(id);
}

/**
 * Times the algorithms of a node. One that cannot be run, or whose results are not those of the first, is left out, and `warn` is told.
 * Undefined when none is left.
 */
export async function tuneNode(
  backend: Backend,
  graph: Graph,
  node: Node,
  warn: (text: string) => void,
): Promise<Tuning | undefined> {
  const alone = isolate(graph, node);
  const inputs = Object.fromEntries([...alone.inputs].map(([name, id]) => [name, noise(alone.values[id], id)]));
  const variables = new Map<number, Storage>();
  const candidates: { readonly name: string; readonly program: Executable; ms: number }[] = [];
  try {
    for (const value of alone.values.filter(({ kind }) => kind === 'variable')) {
      const storage = backend.allocate(value, value.name);
      variables.set(value.id, storage);
      await storage.write(noise(value, value.id));
    }
    let expected: Readonly<Record<string, Float32Array>> | undefined;
    for (const name of backend.algorithms(graph, node)) {
      const skip = (why: string): void => warn(`algorithm '${name}' of node '${node.name}' is left out: ${why}`);
      let program: Executable | undefined;
      try {
        program = await backend.compile(alone, variables, { algorithms: { [node.name]: name } });
        const { outputs } = await program.run(inputs);
        expected ??= outputs;
        const difference = largestDifference(outputs, expected);
        if (difference <= agreement) {
          candidates.push({ name, program, ms: 0 });
          continue;
        }
        skip(`its results differ by ${difference.toExponential(1)} of the largest`);
      } catch (error) {
        if (!(error instanceof BackendError) || error instanceof DeviceLostError) throw error;
        skip(error.message);
      }
      program?.free();
    }
    if (candidates.length === 0) return undefined;
    await time(candidates, inputs);
    const fastest = candidates.reduce((best, other) => (other.ms < best.ms ? other : best));
    return { algorithm: fastest.name, ms: Object.fromEntries(candidates.map(({ name, ms }) => [name, ms])) };
  } finally {
    for (const { program } of candidates) program.free();
    for (const storage of variables.values()) storage.free();
  }
}

/** Takes turns, so that a clock that changes its pace is no one's advantage; `ms` becomes the mean. */
async function time(
  candidates: { readonly program: Executable; ms: number }[],
  inputs: Readonly<Record<string, TypedArray>>,
): Promise<void> {
  const start = performance.now();
  let rounds = 0;
  const settled = (): boolean =>
    rounds >= leastRounds &&
    (candidates.every(({ ms }) => ms >= leastMs) || performance.now() - start > mostMs * candidates.length);
  while (!settled()) {
    for (const candidate of candidates) {
      const { timings } = await candidate.program.run(inputs, { fetch: [], timings: true });
      if (!timings) throw new BackendError('this backend cannot time its steps, so it cannot be tuned');
      candidate.ms += timings.reduce((sum, ms) => sum + ms, 0);
    }
    rounds++;
  }
  for (const candidate of candidates) candidate.ms /= rounds;
}

/** The node as a graph of its own; what changes from run to run in the original is an input here. */
function isolate(graph: Graph, node: Node): Graph {
  const values: Value[] = [];
  const inputs = new Map<string, number>();
  const ids = new Map<number, number>();
  const take = (id: number, kind: Value['kind']): number => {
    const known = ids.get(id);
    if (known !== undefined) return known;
    const { name, dtype, shape, variable } = graph.values[id];
    const own = values.length;
    values.push({ id: own, name, dtype, shape, kind, ...(kind === 'variable' && { variable }) });
    ids.set(id, own);
    if (kind === 'input') inputs.set(name, own);
    return own;
  };
  const taken = node.inputs.map((id) => take(id, standsStill(graph, id) ? 'variable' : 'input'));
  const made = node.outputs.map((id) => take(id, 'intermediate'));
  return {
    name: `tuning of ${node.name}`,
    values,
    nodes: [{ ...node, inputs: taken, outputs: made }],
    inputs,
    outputs: new Map(made.map((id) => [values[id].name, id])),
    updates: new Map(),
  };
}

/** Elements between −1 and 1 (small integers where the type has no others), always the same. */
function noise(type: TensorType, seed: number): TypedArray {
  const array = new arrayOf[type.dtype](elements(type.shape));
  const [scale, least] = type.dtype === 'f32' ? [2 ** -31, -1] : [2 ** -30, 0];
  // Marsaglia 2003, xorshift with the triple (13, 17, 5).
  let state = 2463534242 + seed;
  for (let i = 0; i < array.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    array[i] = (state >>> 0) * scale + least;
  }
  return array;
}

/** max|a − b| / max|b| over all outputs; infinite where a value is not finite. */
function largestDifference(
  a: Readonly<Record<string, Float32Array>>,
  b: Readonly<Record<string, Float32Array>>,
): number {
  let worst = 0;
  for (const [name, expected] of Object.entries(b)) {
    let [difference, largest] = [0, 0];
    for (const [i, value] of expected.entries()) {
      largest = Math.max(largest, Math.abs(value));
      difference = Math.max(difference, Math.abs(a[name][i] - value));
    }
    const relative = difference === 0 ? 0 : difference / largest;
    worst = Number.isFinite(relative) ? Math.max(worst, relative) : Number.POSITIVE_INFINITY;
  }
  return worst;
}
