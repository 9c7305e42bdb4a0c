/** Measurements that need a process of their own. */
import { fork } from 'node:child_process';

type Reply<T> = { readonly value: T } | { readonly error: string };

/** What a new process that runs `module` answers to a task (see `answer`). */
export function ask<T>(module: URL, task: object, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(module, [JSON.stringify(task)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    let reply: Reply<T> = { error: 'it ended without an answer' };
    child.once('error', reject);
    child.on('message', (message) => {
      reply = message as Reply<T>;
    });
    child.once('close', () => {
      if ('value' in reply) resolve(reply.value);
      else reject(new Error(`measuring ${what}: ${reply.error}`));
    });
  });
}

/** In the new process: measures, answers and ends. */
export async function answer<T, R>(measure: (task: T) => Promise<R>): Promise<void> {
  const reply = await measure(JSON.parse(process.argv[2])).then(
    (value): Reply<R> => ({ value }),
    (error: unknown): Reply<R> => ({ error: error instanceof Error ? error.message : String(error) }),
  );
  process.send?.(reply, () => process.exit());
}
