/**
 * A barrier that spins first and then sleeps. Its words lie on cache lines of their own in a block that the host clears
 * before the threads start.
 */
import { sleep } from './sleep';

const arrived: usize = 0;
const generation: usize = 64;
const failure: usize = 128;
const sleepers: usize = 192;
/** Shares of the step that are given out. */
const taken: usize = 256;
/** Loads before a thread goes to sleep, as the host finds right for the machine. */
const spins: usize = 320;

/** Milliseconds of one sleep, after which the error word is looked at again. */
const nap: f64 = 100;
/** Naps (two minutes) after which a barrier is given up: a thread must have died without a word. */
const mostNaps: i32 = 1200;

/** Error words: set by whoever fails first, seen by all. */
export const threadFailed: i32 = 1;
export const barrierTimedOut: i32 = 2;

/** The next share of the step that nobody has taken yet; from the number of shares on there is none. */
export function takeShare(control: usize): i32 {
  return atomic.add<i32>(control + taken, 1);
}

/** Waits until all threads are here. Returns 0, or the error word when a thread has failed. */
export function barrier(control: usize, threads: i32): i32 {
  const round = atomic.load<i32>(control + generation);
  if (atomic.add<i32>(control + arrived, 1) + 1 == threads) {
    atomic.store<i32>(control + arrived, 0);
    atomic.store<i32>(control + taken, 0);
    atomic.add<i32>(control + generation, 1);
    if (atomic.load<i32>(control + sleepers) > 0) atomic.notify(control + generation, threads);
    return atomic.load<i32>(control + failure);
  }
  for (let i = load<i32>(control + spins); i > 0; i--) {
    if (atomic.load<i32>(control + generation) != round) return atomic.load<i32>(control + failure);
  }
  atomic.add<i32>(control + sleepers, 1);
  let naps = 0;
  while (atomic.load<i32>(control + generation) == round) {
    if (atomic.load<i32>(control + failure)) break;
    sleep(control + generation, round, nap);
    if (++naps == mostNaps) {
      atomic.store<i32>(control + failure, barrierTimedOut);
      break;
    }
  }
  atomic.sub<i32>(control + sleepers, 1);
  return atomic.load<i32>(control + failure);
}
