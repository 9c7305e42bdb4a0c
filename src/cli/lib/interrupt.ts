/** Ctrl-C during a long job: the first asks it to save and end, another one ends it at once. */

/** The signals of one key press may come twice (from the terminal, and passed on by a parent process): what comes so soon is one. */
const samePress = 1000;

export interface Interrupt {
  readonly signal: AbortSignal;
  /** Gives the keys back. */
  release(): void;
}

/** @param notice is written when the first signal comes */
export function interruptible(notice: string): Interrupt {
  const controller = new AbortController();
  let since: number | undefined;
  const onSignal = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (since === undefined) {
      since = now;
      process.stderr.write(`\n${notice}\n`);
      controller.abort();
    } else if (now - since > samePress) {
      release();
      process.kill(process.pid, signal);
    }
  };
  const release = () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  return { signal: controller.signal, release };
}
