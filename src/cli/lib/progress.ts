import { SingleBar } from 'cli-progress';

/** A job shorter than this shows no bar. */
const patience = 2000;

/** A progress bar on a terminal, for jobs that take longer than two seconds; nothing anywhere else. */
export class Progress {
  private readonly start = performance.now();
  private bar: SingleBar | undefined;

  constructor(private readonly what: string) {}

  /** `done` of `total` units of work; `note` says what is at hand. */
  update(done: number, total: number, note = ''): void {
    if (!process.stdout.isTTY || performance.now() - this.start < patience) return;
    if (!this.bar) {
      const format = `${this.what} [{bar}] {value}/{total} {note}`;
      this.bar = new SingleBar({
        format,
        barsize: 30,
        clearOnComplete: true,
        hideCursor: true,
        stream: process.stdout,
      });
      this.bar.start(total, done, { note });
    }
    this.bar.setTotal(total);
    this.bar.update(done, { note });
  }

  /** Wipes the bar; call it before printing anything else, and when the job has failed too. */
  stop(): void {
    this.bar?.stop();
    this.bar = undefined;
  }
}
