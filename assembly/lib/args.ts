/**
 * How a kernel finds its arguments and its share of the work. A kernel is called by every thread with the address of its
 * argument words on the tape; the words are addresses, integers or float bits, in the order that the lowering writes them.
 */

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

/** First of the items 0 … total − 1 that belong to a thread; the share ends where the next thread's begins. */
export function shareStart(total: i32, thread: i32, threads: i32): i32 {
  return <i32>((<u64>total * <u64>thread) / <u64>threads);
}

/** As `shareStart`, in multiples of 16 elements, so that no two threads write to one cache line. */
export function lineStart(total: i32, thread: i32, threads: i32): i32 {
  return thread == threads ? total : shareStart(total >> 4, thread, threads) << 4;
}

/** Address of element `index` of an array of 4-byte elements. */
export function at(base: usize, index: i32): usize {
  return base + (<usize>index << 2);
}
