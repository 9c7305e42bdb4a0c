/** Does one job and ends: computing here leaves the page free, and ending the worker stops the job whatever it is at. */
import { TandemError } from '../errors.js';
import { runBenchmark } from './benchmark.js';
import type { JobName, Jobs, Message, OnProgress, Order } from './messages.js';
import { lookAround } from './surroundings.js';
import { runTraining } from './training.js';
import { runVerification } from './verification.js';

const post = (message: Message): void => globalThis.postMessage(message);

const onProgress: OnProgress = (done, total, note) => post({ kind: 'progress', done, total, note });

function work(order: Order): Promise<Jobs[JobName]['report']> {
  switch (order.job) {
    case 'look':
      return lookAround();
    case 'benchmark':
      return runBenchmark(order.settings, onProgress);
    case 'verification':
      return runVerification(order.settings, onProgress);
    case 'training':
      return runTraining(order.settings, onProgress, (step) => post({ kind: 'step', step }));
  }
}

globalThis.onmessage = async ({ data }: MessageEvent<Order>) => {
  try {
    post({ kind: 'report', report: await work(data) });
  } catch (error) {
    post({ kind: 'failure', reason: error instanceof TandemError ? error.message : String(error) });
  }
};
