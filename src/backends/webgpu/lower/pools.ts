/**
 * Where the intermediates of a program live: in few device buffers ("pools"), of which no dispatch binds one both read-only and
 * writable, which WebGPU forbids even for ranges that do not touch.
 */
import { BackendError } from '../../../errors.js';
import { type BufferRequest, placeBuffers } from '../../../plan/memory.js';
import { type BufferIndex, type Limits, type Lowered, offsetAlignment } from './program.js';

export interface Place {
  readonly pool: number;
  readonly offset: number;
}

export interface Pools {
  /** Bytes of each pool. */
  readonly bytes: readonly number[];
  /** Of each arena buffer. */
  readonly places: ReadonlyMap<BufferIndex, Place>;
  /** First and last dispatch that touches it. */
  readonly lifetimes: ReadonlyMap<BufferIndex, readonly [number, number]>;
}

export function makePools(lowered: Lowered, outputs: Iterable<BufferIndex>, limits: Limits): Pools {
  const lifetimes = lifetimesOf(lowered, outputs);
  const colours = colour(lowered, [...lifetimes.keys()]);
  const bytes: number[] = [];
  const places = new Map<BufferIndex, Place>();
  for (let c = 0; c <= Math.max(-1, ...colours.values()); c++) {
    const members = [...colours].filter(([, own]) => own === c).map(([buffer]) => buffer);
    for (const group of fit(members, lowered, lifetimes, limits)) {
      const placement = placeBuffers(requests(group, lowered, lifetimes), offsetAlignment);
      for (const [i, buffer] of group.entries())
        places.set(buffer, { pool: bytes.length, offset: placement.offsets[i] });
      bytes.push(placement.bytes);
    }
  }
  return { bytes, places, lifetimes };
}

function lifetimesOf(lowered: Lowered, outputs: Iterable<BufferIndex>): Map<BufferIndex, [number, number]> {
  const found = new Map<BufferIndex, [number, number]>();
  const touch = (buffer: BufferIndex, at: number): void => {
    if (lowered.buffers[buffer].home !== 'arena') return;
    const known = found.get(buffer);
    if (known) known[1] = at;
    else found.set(buffer, [at, at]);
  };
  for (const [at, { bindings }] of lowered.dispatches.entries()) for (const { buffer } of bindings) touch(buffer, at);
  for (const buffer of outputs) touch(buffer, lowered.dispatches.length);
  return found;
}

/** Greedy colouring, those with most neighbours first: buffers that one dispatch reads and writes get different colours. */
function colour(lowered: Lowered, buffers: readonly BufferIndex[]): Map<BufferIndex, number> {
  const neighbours = new Map<BufferIndex, Set<BufferIndex>>(buffers.map((buffer) => [buffer, new Set()]));
  for (const { bindings } of lowered.dispatches) {
    for (const { buffer: to } of bindings.filter(({ access }) => access === 'write')) {
      for (const { buffer: from } of bindings.filter(({ access }) => access === 'read')) {
        if (to === from) continue;
        if (neighbours.has(to) && neighbours.has(from)) {
          neighbours.get(to)?.add(from);
          neighbours.get(from)?.add(to);
        }
      }
    }
  }
  const colours = new Map<BufferIndex, number>();
  const order = [...buffers].sort((a, b) => (neighbours.get(b)?.size ?? 0) - (neighbours.get(a)?.size ?? 0) || a - b);
  for (const buffer of order) {
    const taken = new Set([...(neighbours.get(buffer) ?? [])].map((other) => colours.get(other)));
    let free = 0;
    while (taken.has(free)) free++;
    colours.set(buffer, free);
  }
  return colours;
}

type Lifetimes = ReadonlyMap<BufferIndex, readonly [number, number]>;

function requests(group: readonly BufferIndex[], lowered: Lowered, lifetimes: Lifetimes): BufferRequest[] {
  return group.map((buffer) => {
    const { name, bytes } = lowered.buffers[buffer];
    const [first, last] = lifetimes.get(buffer) as readonly [number, number];
    return { name, bytes, first, last };
  });
}

/** Cuts the buffers of a colour into groups that each fit into one device buffer, the largest first. */
function fit(members: readonly BufferIndex[], lowered: Lowered, lifetimes: Lifetimes, limits: Limits): BufferIndex[][] {
  const bytesOf = (group: readonly BufferIndex[]) =>
    placeBuffers(requests(group, lowered, lifetimes), offsetAlignment).bytes;
  if (members.length === 0 || bytesOf(members) <= limits.maxBufferSize) return members.length > 0 ? [[...members]] : [];
  const groups: BufferIndex[][] = [];
  for (const buffer of [...members].sort((a, b) => lowered.buffers[b].bytes - lowered.buffers[a].bytes || a - b)) {
    const { name, bytes } = lowered.buffers[buffer];
    if (bytes > limits.maxBufferSize) {
      throw new BackendError(`'${name}' takes ${bytes} bytes, a buffer of this device holds ${limits.maxBufferSize}`);
    }
    const group = groups.find((known) => bytesOf([...known, buffer]) <= limits.maxBufferSize);
    if (group) group.push(buffer);
    else groups.push([buffer]);
  }
  return groups;
}
