/** The plan of a lowered program: pure, no memory is touched. */
import type { Graph } from '../../graph/graph.js';
import { placeBuffers } from '../../plan/memory.js';
import type { Plan, PlanStep } from '../../plan/plan.js';
import { type LowerOptions, lower } from './lower/lower.js';
import type { Lowered, Step } from './lower/program.js';

/** How a graph would be computed: what `compile` plans, for any size, whether or not it fits the memory of this machine. */
export function planGraph(graph: Graph, options: LowerOptions): Plan {
  return planLowered(graph, lower(graph, options)).plan;
}

export interface PlannedProgram {
  readonly plan: Plan;
  /** Offset in the arena of each buffer that lives there, by its index. */
  readonly offsets: readonly number[];
}

export function planLowered(graph: Graph, lowered: Lowered): PlannedProgram {
  const { requests, indices } = lifetimes(graph, lowered);
  const placement = placeBuffers(requests);
  const offsets = new Array<number>(lowered.buffers.length).fill(0);
  indices.forEach((buffer, i) => {
    offsets[buffer] = placement.offsets[i];
  });
  const sum = (home: string): number =>
    lowered.buffers.reduce((bytes, buffer) => bytes + (buffer.home === home ? buffer.bytes : 0), 0);
  const [variables, packed, arena] = [sum('variable'), sum('packed'), placement.bytes];
  const plan = {
    graph: graph.name,
    backend: 'wasm',
    steps: lowered.steps.map((step) => planStep(graph, step)),
    buffers: requests.map((request, i) => ({ ...request, offset: placement.offsets[i] })),
    bytes: { variables, packed, arena, total: variables + packed + arena },
  };
  return { plan, offsets };
}

function planStep(graph: Graph, step: Step): PlanStep {
  const { node } = step;
  const types = (ids: readonly number[]) => ids.map((id) => graph.values[id]);
  const cost = step.main
    ? node.op.cost(node.attributes, types(node.inputs), types(node.outputs))
    : { macs: 0, flops: 0, bytes: 0 };
  return {
    node: node.name,
    layer: node.layer,
    phase: node.phase,
    op: node.op.name,
    algorithm: step.algorithm,
    kernel: step.kernel,
    ...cost,
  };
}

/** When each arena buffer is first and last touched; inputs are there before the first step, outputs after the last. */
function lifetimes(graph: Graph, lowered: Lowered) {
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  const touch = (buffer: number, step: number): void => {
    if (lowered.buffers[buffer].home !== 'arena') return;
    first.set(buffer, Math.min(first.get(buffer) ?? step, step));
    last.set(buffer, Math.max(last.get(buffer) ?? step, step));
  };
  for (const id of graph.inputs.values()) touch(lowered.bufferOf.get(id) as number, -1);
  lowered.steps.forEach((step, index) => {
    for (const word of step.words) if (typeof word === 'object' && 'buffer' in word) touch(word.buffer, index);
  });
  for (const id of graph.outputs.values()) touch(lowered.bufferOf.get(id) as number, lowered.steps.length);
  const indices = [...first.keys()];
  const requests = indices.map((buffer) => ({
    name: lowered.buffers[buffer].name,
    bytes: lowered.buffers[buffer].bytes + 64,
    first: first.get(buffer) as number,
    last: last.get(buffer) as number,
  }));
  return { requests, indices };
}
