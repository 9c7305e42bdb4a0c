/**
 * What reading weights costs, against a warm read of the same file into fresh memory:
 *
 *     node dist/bench/exchange/reading.js FILE… [--model NAME] [--rounds N]
 *
 * Opening a file and reading its tensors, two at a time where each is a stream of its own; with --model also from the path to a network with the weights in
 * its memory. All take turns in each round; a ratio is the median of those of the rounds.
 */
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command } from 'commander';
import { enableRelaxedSimd } from '../../src/backends/wasm/platform.js';
import { wholeNumber, word } from '../../src/cli/lib/options.js';
import { expectFolder, oneLine, print, reportFailure, writeJson } from '../../src/cli/lib/output.js';
import { Progress } from '../../src/cli/lib/progress.js';
import { type Column, formatBytes, formatTable } from '../../src/cli/lib/table.js';
import { concurrently } from '../../src/concurrently.js';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { median } from '../../src/engine/profile.js';
import { FileError } from '../../src/errors.js';
import { loadNetwork } from '../../src/formats/network.js';
import { openTensors } from '../../src/formats/openTensors.js';
import { isFloatType } from '../../src/formats/tensorFile.js';
import { presets } from '../../src/models/presets.js';

interface Options {
  readonly model?: string;
  readonly rounds: number;
  readonly json?: string;
}

/** Medians of the rounds. */
interface Reading {
  readonly file: string;
  readonly format: string;
  readonly bytes: number;
  readonly warmMs: number;
  readonly tensorsMs: number;
  readonly tensorsRatio: number;
  readonly networkMs?: number;
  readonly networkRatio?: number;
}

async function readWarm(path: string): Promise<number> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await handle.read(bytes, at, size - at, at);
      if (bytesRead === 0) throw new FileError(`'${path}' ends at byte ${at}, expected ${size}`);
      at += bytesRead;
    }
    return size;
  } finally {
    await handle.close();
  }
}

async function readTensors(path: string): Promise<string> {
  const file = await openTensors(path);
  try {
    const names = [...file.tensors].flatMap(([name, { dtype }]) => (isFloatType(dtype) ? [name] : []));
    await concurrently(names, file.streams ? 2 : 1, async (name) => void (await file.read(name)));
    return file.format;
  } finally {
    await file.close();
  }
}

async function readNetwork(engine: Engine, path: string, model?: string): Promise<void> {
  const network = await loadNetwork(engine, path, { model });
  await network.close();
}

async function timed<T>(work: () => Promise<T>): Promise<{ readonly ms: number; readonly result: T }> {
  const start = performance.now();
  const result = await work();
  return { ms: performance.now() - start, result };
}

/** @param engine where networks are to be loaded too */
async function measure(path: string, { model, rounds }: Options, engine?: Engine): Promise<Reading> {
  const warm: number[] = [];
  const tensors: number[] = [];
  const networks: number[] = [];
  const format = await readTensors(path);
  const bytes = await readWarm(path);
  for (let round = 0; round < rounds; round++) {
    warm.push((await timed(() => readWarm(path))).ms);
    tensors.push((await timed(() => readTensors(path))).ms);
    if (engine) networks.push((await timed(() => readNetwork(engine, path, model))).ms);
  }
  const ratio = (times: readonly number[]) => median(times.map((ms, round) => ms / warm[round]));
  return {
    file: basename(path),
    format,
    bytes,
    warmMs: median(warm),
    tensorsMs: median(tensors),
    tensorsRatio: ratio(tensors),
    ...(networks.length > 0 ? { networkMs: median(networks), networkRatio: ratio(networks) } : {}),
  };
}

async function run(paths: readonly string[], options: Options): Promise<void> {
  if (options.json !== undefined) await expectFolder(options.json);
  const engine = options.model === undefined ? undefined : await openEngine({ backend: 'wasm' });
  const progress = new Progress('reading');
  const readings: Reading[] = [];
  try {
    for (const [done, path] of paths.entries()) {
      progress.update(done, paths.length, basename(path));
      readings.push(await measure(path, options, engine));
    }
  } finally {
    progress.stop();
    await engine?.close();
  }
  if (options.json !== undefined) await writeJson(options.json, { results: readings });
  if (options.json === '-') return;
  const columns: readonly Column[] = [
    { title: 'file', align: 'left' },
    { title: 'format', align: 'left' },
    ...['size', 'warm read ms', 'tensors ms', 'ratio'].map((title) => ({ title, align: 'right' }) as const),
    ...(options.model === undefined
      ? []
      : ['network ms', 'ratio'].map((title) => ({ title, align: 'right' }) as const)),
  ];
  const rows = readings.map(({ file, format, bytes, warmMs, tensorsMs, tensorsRatio, networkMs, networkRatio }) => [
    file,
    format,
    formatBytes(bytes),
    warmMs.toFixed(0),
    tensorsMs.toFixed(0),
    tensorsRatio.toFixed(2),
    ...(networkMs === undefined || networkRatio === undefined ? [] : [networkMs.toFixed(0), networkRatio.toFixed(2)]),
  ]);
  print(formatTable(columns, rows));
}

const command = new Command('reading')
  .description('time reading files of weights against a warm read of them')
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(`${oneLine(text)}\n`) })
  .argument('<files...>', 'of any format that convert reads')
  .option('--model <name>', 'a preset that has the weights: loads it as well', word([...presets.keys()]))
  .option('--rounds <n>', 'of each file', wholeNumber(1), 7)
  .option('--json <file>', "write the figures to a file ('-': standard output)");

try {
  command.parse();
  await enableRelaxedSimd();
  await run(command.args, command.opts<Options>());
} catch (error) {
  process.exitCode = reportFailure(error);
}
