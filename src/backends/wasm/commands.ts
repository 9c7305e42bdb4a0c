/** What a thread of the pool does: it sleeps until there is a command, runs the tape with the others, and sleeps again. */
import { failure, type ThreadMessage, type ThreadStart, word } from './control.js';
import { instantiate } from './module.js';

/** Returns when the pool is closed. */
export function obeyCommands(start: ThreadStart, post: (message: ThreadMessage) => void): void {
  const kernels = instantiate(start.module, start.memory);
  const control = new Int32Array(start.memory.buffer, start.control, 256);
  let command = 0;
  post({ kind: 'ready' });
  for (;;) {
    Atomics.wait(control, word.command, command);
    command = Atomics.load(control, word.command);
    if (Atomics.load(control, word.quit)) return;
    try {
      const tape = Atomics.load(control, word.tape);
      kernels.run(tape, start.control, start.thread, start.threads, Atomics.load(control, word.times));
    } catch (error) {
      Atomics.store(control, word.failure, failure.thread);
      Atomics.notify(control, word.generation);
      post({ kind: 'error', message: String(error) });
    }
    if (Atomics.add(control, word.finished, 1) + 1 === start.threads) post({ kind: 'done' });
  }
}
