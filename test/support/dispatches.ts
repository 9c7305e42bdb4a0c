/** What WebGPU would say of lowered graphs, without a device. */
import { makePools, type Pools } from '../../src/backends/webgpu/lower/pools.js';
import { type Dispatch, type Limits, type Lowered, offsetAlignment } from '../../src/backends/webgpu/lower/program.js';
import type { Graph } from '../../src/graph/graph.js';

/** Where a lowered graph's values lie. */
export function poolsOf(graph: Graph, lowered: Lowered, limits: Limits): Pools {
  return makePools(
    lowered,
    [...graph.outputs.values()].map((id) => lowered.bufferOf.get(id) as number),
    limits,
  );
}

/** What WebGPU's validation layer would say of a dispatch. */
export function faultOf({ bindings, workgroups }: Dispatch, lowered: Lowered, pools: Pools, limits: Limits) {
  if (bindings.length > limits.maxStorageBuffersPerShaderStage) return `${bindings.length} storage buffers`;
  if (workgroups.some((extent) => extent < 1 || extent > limits.maxComputeWorkgroupsPerDimension)) return 'workgroups';
  const uses = new Map<string, { access: string; from: number; to: number }[]>();
  for (const { buffer, access, offset = 0, bytes = lowered.buffers[buffer].bytes } of bindings) {
    if (bytes > limits.maxStorageBufferBindingSize) return `a binding of ${bytes} bytes`;
    const place = pools.places.get(buffer);
    const from = (place?.offset ?? 0) + offset;
    if (from % offsetAlignment !== 0) return `an offset of ${from}`;
    const name = place ? `pool ${place.pool}` : `buffer ${buffer}`;
    for (const other of uses.get(name) ?? []) {
      if (other.access !== access) return `${name} is read and written`;
      if (access === 'write' && from < other.to && other.from < from + bytes) return `${name} is written twice`;
    }
    uses.set(name, [...(uses.get(name) ?? []), { access, from, to: from + bytes }]);
  }
  return undefined;
}

/** Pairs of values that share memory while both are needed. */
export function buffersThatOverlap(lowered: Lowered, { places, lifetimes }: Pools): readonly string[] {
  const found: string[] = [];
  const all = [...places].map(([buffer, place]) => {
    const [first, last] = lifetimes.get(buffer) as readonly [number, number];
    return { ...lowered.buffers[buffer], ...place, first, last };
  });
  for (const [i, a] of all.entries()) {
    for (const b of all.slice(0, i)) {
      const together = a.pool === b.pool && a.first <= b.last && b.first <= a.last;
      if (together && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes)
        found.push(`${a.name}, ${b.name}`);
    }
  }
  return found;
}
