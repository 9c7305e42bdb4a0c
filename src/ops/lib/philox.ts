/**
 * Philox4x32-10: 128 random bits as a pure function of a 128-bit counter and a 64-bit key (Salmon, Moraes, Dror and Shaw,
 * Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011, §3.3). The same bits on every backend, in any order of drawing.
 */

/** Round multipliers and key increments of Philox4x32 (same paper, §4; the increments are the golden ratio and √3 − 1). */
const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const increment0 = 0x9e3779b9;
const increment1 = 0xbb67ae85;
const rounds = 10;

/** The low and the high 32 bits of a whole number from 0 to 2⁵³ − 1. */
export function split64(value: number): readonly [number, number] {
  return [value >>> 0, Math.floor(value / 2 ** 32)];
}

/** High 32 bits of a·b for unsigned 32-bit a and b, from products of 16-bit halves: no sum of them reaches 2³². */
export function multiplyHigh(a: number, b: number): number {
  const [aLow, aHigh, bLow, bHigh] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16];
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) >>> 0;
  const carry = (Math.imul(aLow, bHigh) + (middle & 0xffff)) >>> 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) >>> 0;
}

/**
 * Writes the four words for (counter, key) to `out`.
 *
 * @param counter four words, least significant first (any 32-bit integers, signed or not)
 * @param key two words, least significant first
 */
export function philox4x32(counter: ArrayLike<number>, key: ArrayLike<number>, out: Uint32Array): void {
  let c0 = counter[0] >>> 0;
  let c1 = counter[1] >>> 0;
  let c2 = counter[2] >>> 0;
  let c3 = counter[3] >>> 0;
  let k0 = key[0] >>> 0;
  let k1 = key[1] >>> 0;
  for (let round = 0; round < rounds; round++) {
    const low0 = Math.imul(multiplier0, c0) >>> 0;
    const high0 = multiplyHigh(multiplier0, c0);
    const low1 = Math.imul(multiplier1, c2) >>> 0;
    const high1 = multiplyHigh(multiplier1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + increment0) >>> 0;
    k1 = (k1 + increment1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}
