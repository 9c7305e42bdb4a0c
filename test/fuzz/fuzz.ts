/** Damaged files against a reader: it reads them or throws a FileError, soon, and for little memory. */
import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import fc from 'fast-check';
import { FileError } from '../../src/errors.js';
import { memorySource } from '../../src/formats/byteSource.js';
import type { FuzzedFormat, OpenFile } from './formats.js';
import { allocations, metered } from './meter.js';
import { mutate, mutations } from './mutations.js';

/** For one file of a few kilobytes: it takes about one on an idle machine. */
const mostMs = 3000;
/** To open a file of so many bytes: what may be read of it, and what all arrays made meanwhile may take. */
const mostAsked = (size: number) => 8 * size + 2 ** 14;
const mostAllocated = (size: number) => 16 * size + 2 ** 15;

export interface FuzzResult {
  readonly cases: number;
  /** Files that were read in spite of their damage. */
  readonly read: number;
  /** Files that were opened, though not all of them could be read. */
  readonly opened: number;
  /** The worst of all cases, as a share of what is allowed. */
  readonly worst: { readonly ms: number; readonly asked: number; readonly allocated: number };
}

/**
 * Runs as many cases as asked for, repeatable by their seed.
 *
 * @throws an error that shows the smallest case that fails, with the seed that makes it again
 */
export async function fuzz(format: FuzzedFormat, cases: number, seed: number): Promise<FuzzResult> {
  const files = await format.files();
  const worst = { ms: 0, asked: 0, allocated: 0 };
  let opened = 0;
  let read = 0;
  for (const file of files) assert.equal(await attempt(format, file, worst), 'read', `${format.name}: a whole file`);
  const index = fc.nat(files.length - 1);
  await fc.assert(
    fc.asyncProperty(index, index, mutations, async (file, other, list) => {
      const outcome = await attempt(format, mutate(files[file], list, files[other]), worst);
      if (outcome !== 'refused') opened++;
      if (outcome === 'read') read++;
    }),
    { numRuns: cases, seed },
  );
  return { cases, opened, read, worst };
}

async function attempt(
  format: FuzzedFormat,
  bytes: Uint8Array,
  worst: { ms: number; asked: number; allocated: number },
): Promise<'read' | 'opened' | 'refused'> {
  const source = metered(memorySource(bytes, "'fuzz'"));
  const room = mostAllocated(bytes.length);
  const start = performance.now();
  let outcome: 'read' | 'opened' | 'refused' = 'refused';
  let file: OpenFile | undefined;
  const { total } = await allocations(room, async () => {
    file = await orRefused(format.open(source));
  });
  const asked = source.asked / mostAsked(bytes.length);
  assert.ok(asked <= 1, `asked for ${source.asked} of ${bytes.length} bytes`);
  assert.ok(total <= room, `made arrays of ${total} bytes for a file of ${bytes.length}`);
  assert.ok(!source.closed, 'the source stays open until the file closes it');
  if (file) {
    const { readAll, close } = file;
    await allocations(format.expansion * room, async () => {
      outcome = (await orRefused(readAll().then(() => true))) ? 'read' : 'opened';
    });
    await close();
    assert.ok(source.closed, 'closing a file closes its source');
  }
  const ms = performance.now() - start;
  assert.ok(ms <= mostMs, `took ${ms.toFixed()} ms, allowed are ${mostMs}`);
  worst.ms = Math.max(worst.ms, ms / mostMs);
  worst.asked = Math.max(worst.asked, asked);
  worst.allocated = Math.max(worst.allocated, total / room);
  return outcome;
}

/** Undefined for a FileError; any other error is one of the reader. */
async function orRefused<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    assert.ok(error.message.includes('fuzz'), `names the file: ${error.message}`);
    return undefined;
  }
}
