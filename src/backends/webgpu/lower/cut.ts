/** Cuts a step into dispatches that keep to the limits on binding sizes. */
import { BackendError } from '../../../errors.js';
import type { Node } from '../../../graph/graph.js';
import { type Buffer, type Dispatch, type Limits, offsetAlignment, type Step } from './program.js';

export function cut(
  step: Step,
  buffers: readonly Buffer[],
  limits: Limits,
  owner: { readonly node: Node; readonly algorithm: string; readonly main: boolean },
): Dispatch[] {
  const { node } = owner;
  const most = unitsOfDispatch(step, buffers, limits, node);
  const dispatches: Dispatch[] = [];
  for (let first = 0; first < step.units; first += most) {
    const count = Math.min(most, step.units - first);
    const workgroups = step.workgroups(count);
    if (workgroups.some((extent) => extent > limits.maxComputeWorkgroupsPerDimension)) {
      throw new BackendError(
        `node '${node.name}': ${step.kernel} would need ${workgroups.join(' × ')} workgroups, ` +
          `a dimension holds ${limits.maxComputeWorkgroupsPerDimension}`,
      );
    }
    dispatches.push({
      kernel: step.kernel,
      constants: step.constants ?? {},
      bindings: step.bindings.map(({ buffer, access, unitBytes }) =>
        unitBytes === 0 || most >= step.units
          ? { buffer, access }
          : {
              buffer,
              access,
              offset: first * unitBytes,
              bytes: Math.min(count * unitBytes, buffers[buffer].bytes - first * unitBytes),
            },
      ),
      params: step.params(count, first),
      workgroups,
      ...owner,
      main: owner.main && first === 0,
    });
  }
  return dispatches;
}

/** Units of a dispatch such that its bindings fit and their offsets are aligned; all of them where nothing is too large. */
function unitsOfDispatch(step: Step, buffers: readonly Buffer[], limits: Limits, node: Node): number {
  const { maxStorageBufferBindingSize: limit } = limits;
  if (step.bindings.length > limits.maxStorageBuffersPerShaderStage) {
    throw new BackendError(
      `node '${node.name}': ${step.kernel} binds ${step.bindings.length} buffers, a shader stage has ${limits.maxStorageBuffersPerShaderStage}`,
    );
  }
  const large = step.bindings.filter(({ buffer }) => buffers[buffer].bytes > limit);
  if (large.length === 0) return Math.max(1, step.units);
  for (const { buffer, unitBytes } of large) {
    if (unitBytes === 0 || unitBytes > limit) {
      const { name, bytes } = buffers[buffer];
      throw new BackendError(
        `node '${node.name}': ${step.kernel} needs ${unitBytes || bytes} bytes of '${name}' in one binding, the device allows ${limit}`,
      );
    }
  }
  const split = step.bindings.filter(({ unitBytes }) => unitBytes > 0);
  const period = split.reduce(
    (all, { unitBytes }) =>
      leastCommonMultiple(all, offsetAlignment / greatestCommonDivisor(offsetAlignment, unitBytes)),
    1,
  );
  const fitting = Math.min(...split.map(({ unitBytes }) => Math.floor(limit / unitBytes)));
  const most = Math.floor(fitting / period) * period;
  if (most === 0) {
    throw new BackendError(`node '${node.name}': ${step.kernel} cannot be cut into bindings of ${limit} bytes`);
  }
  // In equal parts, so that none is left with a few units.
  const parts = Math.ceil(step.units / most);
  return Math.ceil(step.units / parts / period) * period;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function leastCommonMultiple(a: number, b: number): number {
  return (a / greatestCommonDivisor(a, b)) * b;
}
