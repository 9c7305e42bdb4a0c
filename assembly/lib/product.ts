/**
 * How fast the products of matrices inside a kernel are, apart from the packing around them: a kernel says where its sweep
 * over tiles begins and ends. Time is taken in timed runs and by thread 0 only; otherwise each call is a load and a branch.
 */
import { now } from './clock';

/** Where the sums of the step under way are: milliseconds, multiply-adds (float64 each); 0 when nobody asks. */
let sums: usize = 0;
let start: f64 = 0;

/** Bytes of the sums of one step. */
export const productBytes: usize = 16;

/** Clears the sums at an address and adds to them from now on; 0 to stop. */
export function sumProducts(address: usize): void {
  sums = address;
  if (address) memory.fill(address, 0, productBytes);
}

/** A product of matrices begins. */
// @ts-ignore: decorator
@inline
export function startProduct(): void {
  if (sums) start = now();
}

/** It ends, after as many multiply-adds as were really done: those of padded rows and lanes count. */
// @ts-ignore: decorator
@inline
export function endProduct(multiplyAdds: f64): void {
  if (!sums) return;
  store<f64>(sums, load<f64>(sums) + now() - start);
  store<f64>(sums, load<f64>(sums, 8) + multiplyAdds, 8);
}
