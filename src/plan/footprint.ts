/** Where the bytes of a plan go. */
import type { Graph } from '../graph/graph.js';
import { bytesOf } from '../ops/define.js';
import type { Plan, PlanBuffer } from './plan.js';

/** Bytes. `parameters` + `state` + `packed` + `activations` + `workspace` = `total`. */
export interface Footprint {
  readonly parameters: number;
  /** What an optimizer keeps for them. */
  readonly state: number;
  /** Forms of parameters that are kept between runs beside them. */
  readonly packed: number;
  /** What forward leaves for backward, images and labels included; 0 without backward. */
  readonly activations: number;
  /** The rest of the arena: what lives for a few steps only. */
  readonly workspace: number;
  /** Most that gradients of parameters take at one time; part of the workspace. */
  readonly gradients: number;
  readonly total: number;
}

/** @param plan how `graph` is computed */
export function footprint(graph: Graph, plan: Plan): Footprint {
  const variables = graph.values.filter(({ kind }) => kind === 'variable');
  const parameters = variables
    .filter(({ variable }) => variable?.role === 'parameter')
    .reduce((bytes, value) => bytes + bytesOf(value), 0);
  const { packed, arena, total } = plan.bytes;
  const backward = plan.steps.findIndex(({ phase }) => phase === 'backward');
  const activations = backward < 0 ? 0 : bytesAlive(plan.buffers, backward - 0.5);
  const names = gradientNames(graph);
  const gradients = plan.buffers.filter(({ name }) => names.has(name));
  return {
    parameters,
    state: plan.bytes.variables - parameters,
    packed,
    activations,
    workspace: arena - activations,
    gradients: Math.max(0, ...gradients.map(({ first }) => bytesAlive(gradients, first))),
    total,
  };
}

/** Values of which updates take a parameter's change: f32 tensors of the parameter's shape that backward computes. */
function gradientNames(graph: Graph): ReadonlySet<string> {
  const updates = graph.nodes.filter(({ phase }) => phase === 'update');
  const read = new Set(updates.flatMap(({ inputs }) => inputs));
  const computed = graph.nodes.filter(({ phase }) => phase === 'backward').flatMap(({ outputs }) => outputs);
  return new Set(computed.filter((id) => read.has(id)).map((id) => graph.values[id].name));
}

/** @param step between two steps, or at one */
function bytesAlive(buffers: readonly PlanBuffer[], step: number): number {
  return buffers.filter(({ first, last }) => first <= step && step <= last).reduce((sum, { bytes }) => sum + bytes, 0);
}
