/** A job in a worker of its own, as the page sees it. */
import type { JobName, Jobs, Message, Order } from './messages.js';
import type { TrainingStep } from './training.js';

export interface JobEvents {
  onProgress?(done: number, total: number, note: string): void;
  onStep?(step: TrainingStep): void;
}

export interface Job<J extends JobName> {
  /** Rejects with what went wrong, in words; never settles once the job is stopped. */
  readonly report: Promise<Jobs[J]['report']>;
  stop(): void;
}

export function startJob<J extends JobName>(job: J, settings: Jobs[J]['settings'], events: JobEvents = {}): Job<J> {
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  const report = new Promise<Jobs[J]['report']>((resolve, reject) => {
    worker.addEventListener('message', ({ data }: MessageEvent<Message>) => {
      if (data.kind === 'progress') events.onProgress?.(data.done, data.total, data.note);
      else if (data.kind === 'step') events.onStep?.(data.step);
      else {
        worker.terminate();
        if (data.kind === 'report') resolve(data.report as Jobs[J]['report']);
        else reject(new Error(data.reason));
      }
    });
    worker.addEventListener('error', (event) => {
      worker.terminate();
      reject(new Error(event.message || 'the worker could not be started'));
    });
  });
  worker.postMessage({ job, settings } as Order);
  return { report, stop: () => worker.terminate() };
}
