/**
 * How a kernel finds its arguments and its share of the work. A kernel is called with the address of its argument words on the tape
 * once for each share of a step, by whichever thread is free; the words are addresses, integers or float bits, in the order that the
 * lowering writes them. What a kernel writes to an element does not depend on the number of shares.
 */

let thread: i32 = 0;

/** Says which thread runs this instance of the module. */
export function becomeThread(index: i32): void {
  thread = index;
}

/** The scratch of this thread: argument `index` is where that of the first thread lies, the next one its bytes per thread. */
export function scratchOf(args: usize, index: i32): usize {
  return pointer(args, index) + <usize>thread * pointer(args, index + 1);
}

export function word(args: usize, index: i32): i32 {
  return load<i32>(args + (<usize>index << 2));
}

export function pointer(args: usize, index: i32): usize {
  return load<usize>(args + (<usize>index << 2));
}

export function number(args: usize, index: i32): f32 {
  return load<f32>(args + (<usize>index << 2));
}

/** A float64, which takes two words. */
export function double(args: usize, index: i32): f64 {
  return load<f64>(args + (<usize>index << 2));
}

/** First of the items 0 … total − 1 of a share, which ends where the next one begins. */
export function shareStart(total: i32, share: i32, shares: i32): i32 {
  return <i32>((<u64>total * <u64>share) / <u64>shares);
}

/** As `shareStart`, in multiples of `unit`, so that no share has less than is worth a call. */
export function unitStart(total: i32, unit: i32, share: i32, shares: i32): i32 {
  return min(total, shareStart((total + unit - 1) / unit, share, shares) * unit);
}

/** As `shareStart`, in multiples of 16 elements, so that no two shares write to one cache line. */
export function lineStart(total: i32, share: i32, shares: i32): i32 {
  return unitStart(total, 16, share, shares);
}

/** Address of element `index` of an array of 4-byte elements. */
export function at(base: usize, index: i32): usize {
  return base + (<usize>index << 2);
}
