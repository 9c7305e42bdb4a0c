/** Damage to files: what a bad disk, a cut download or a stranger does. */
import fc from 'fast-check';

/** Parts that a file is thought of as having, whatever its length. */
const places = 2 ** 20;

export interface Mutation {
  readonly kind: (typeof kinds)[number];
  /** Where, in parts of the file. */
  readonly at: number;
  readonly length: number;
  readonly value: number;
}

/** Mostly bytes that change in place: a file of another length is refused early by most readers. */
const kinds = [
  'flip',
  'flip',
  'flip',
  'set',
  'set',
  'ones',
  'copy',
  'copy',
  'insert',
  'remove',
  'repeat',
  'cut',
] as const;

/** One to three of them, anywhere; short ones are likelier than long ones. */
export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    at: fc.noBias(fc.nat(places - 1)),
    length: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 512 })),
    value: fc.nat(255),
  }),
  { minLength: 1, maxLength: 3 },
);

/** @param other a file to take pieces from */
export function mutate(file: Uint8Array, list: readonly Mutation[], other: Uint8Array): Uint8Array {
  let bytes: Uint8Array = file.slice();
  for (const mutation of list) bytes = mutateOnce(bytes, mutation, other);
  return bytes;
}

function mutateOnce(bytes: Uint8Array, { kind, at, length, value }: Mutation, other: Uint8Array): Uint8Array {
  const from = Math.floor((at / places) * bytes.length);
  const before = bytes.subarray(0, from);
  const behind = bytes.subarray(from + length);
  switch (kind) {
    case 'flip':
      return joined(before, [(bytes[from] ?? 0) ^ (1 << (value & 7))], bytes.subarray(from + 1));
    case 'set':
      return joined(before, [value], bytes.subarray(from + 1));
    case 'ones':
      return joined(before, new Uint8Array(Math.min(length, bytes.length - from)).fill(255), behind);
    case 'insert':
      return joined(before, new Uint8Array(length).fill(value), bytes.subarray(from));
    case 'remove':
      return joined(before, behind);
    case 'repeat':
      return joined(bytes.subarray(0, from + length), bytes.subarray(from));
    case 'copy': {
      const start = Math.floor((value / 256) * other.length);
      return joined(before, other.subarray(start, start + length), behind);
    }
    case 'cut':
      return before;
  }
}

function joined(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts.map((part) => Uint8Array.from(part))));
}
