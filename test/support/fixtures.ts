/** What the scripts in test/fixtures/formats put into their files. */
import { elements } from '../../src/ops/define.js';

/** Multiples of 1/64 that every type of floats holds. */
export function ruled(shape: readonly number[], seed: number): Float32Array {
  return Float32Array.from({ length: elements(shape) }, (_, i) => (((i * 37 + seed * 101) % 255) - 127) / 64);
}
