/** A thread of the pool: sleeps until there is a command, runs the tape with the others, and sleeps again. */
import { failure, type ThreadMessage, type ThreadStart, word } from './control.js';
import { instantiate } from './module.js';
import { inNode } from './platform.js';

function work(start: ThreadStart, post: (message: ThreadMessage) => void): void {
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

if (inNode()) {
  const { parentPort } = await import('node:worker_threads');
  parentPort?.once('message', (start: ThreadStart) => work(start, (message) => parentPort.postMessage(message)));
} else {
  globalThis.onmessage = ({ data }: MessageEvent<ThreadStart>) =>
    work(data, (message) => globalThis.postMessage(message));
}
