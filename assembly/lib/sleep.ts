/**
 * Puts the thread to sleep while the word at `address` has this value, until it is notified or the time is over (or for no reason).
 *
 * By the host, with `Atomics.wait`: in V8 11 (Node 20) code of the first tier writes the address of `memory.atomic.wait32`, four bytes,
 * into its frame as eight, over a local variable.
 */
export declare function sleep(address: usize, value: i32, milliseconds: f64): void;
