/** Protobuf fields, written by hand: what no library would write is wanted too. */

/** A field of bytes with their length. */
export function field(number: number, bytes: Uint8Array | string): Buffer {
  const content = Buffer.from(bytes);
  return Buffer.concat([integer(8 * number + 2), integer(content.length), content]);
}

/** A field of an integer. */
export function varint(number: number, value: number): Buffer {
  return Buffer.concat([integer(8 * number), integer(value)]);
}

/** A field of a float. */
export function fixed32(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([integer(8 * number + 5), bytes]);
}

/** 64 bits, seven in a byte. */
export function integer(value: number): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}
