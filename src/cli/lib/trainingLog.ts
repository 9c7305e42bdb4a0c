/** `--log`: one JSON object a line for each event of a training. */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { isSystemError, writeAtomically } from '../../atomicFile.js';
import { FileError } from '../../errors.js';
import type { TrainingEvent } from '../../train/events.js';

export class TrainingLog {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /**
   * Begins a log; or, of a training that goes on after `resumedAt` steps, goes on with one: what was written after that step, and a
   * line that was cut short, are taken out.
   *
   * @returns the log, and the events that are in it
   */
  static async open(path: string, resumedAt?: number): Promise<{ log: TrainingLog; before: TrainingEvent[] }> {
    const before = resumedAt === undefined ? [] : await eventsUntil(path, resumedAt);
    await writeAtomically(path, (write) => write(new TextEncoder().encode(before.map(line).join(''))));
    const file = await open(path, 'a').catch((error: unknown) => {
      throw cannotWrite(path, error);
    });
    return { log: new TrainingLog(path, file), before };
  }

  async add(event: TrainingEvent): Promise<void> {
    if (event.kind === 'checkpoint') return;
    await this.file.appendFile(line(event)).catch((error: unknown) => {
      throw cannotWrite(this.path, error);
    });
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

function line(event: TrainingEvent): string {
  return `${JSON.stringify(event)}\n`;
}

async function eventsUntil(path: string, step: number): Promise<TrainingEvent[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isSystemError(error) && error.code === 'ENOENT') return '';
    throw new FileError(`cannot read '${path}': ${error instanceof Error ? error.message : error}`, { cause: error });
  });
  const events: TrainingEvent[] = [];
  for (const each of text.split('\n')) {
    const event = eventOf(each);
    // An interrupted training ends, and goes on.
    if (event && event.step <= step && event.kind !== 'end') events.push(event);
  }
  return events;
}

function eventOf(text: string): TrainingEvent | undefined {
  try {
    const event: unknown = JSON.parse(text);
    return typeof event === 'object' && event !== null && 'kind' in event && 'step' in event
      ? (event as TrainingEvent)
      : undefined;
  } catch {
    return undefined;
  }
}

function cannotWrite(path: string, error: unknown): unknown {
  return isSystemError(error) ? new FileError(`cannot write '${path}': ${error.message}`, { cause: error }) : error;
}
