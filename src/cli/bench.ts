import { Command, Option } from 'commander';
import { runBenchmark } from '../../bench/benchmark.js';
import { BrowserSite } from '../../bench/browser/site.js';
import { reportPage } from '../../bench/html.js';
import { type Mode, modes, type Peer } from '../../bench/implementation.js';
import { peerNames, peers } from '../../bench/peers/index.js';
import { formatMarkdown, formatReport } from '../../bench/print.js';
import { writeAtomically } from '../atomicFile.js';
import {
  adapterBackends,
  type BackendName,
  backendNames,
  backendsHere,
  type SimdLevel,
  simdLevels,
} from '../backends/open.js';
import { loadImages } from '../data/preprocess.js';
import { ArgumentError } from '../errors.js';
import { preset } from '../models/presets.js';
import { adapterOption, tuneOptions } from './lib/adapter.js';
import { assignment, wholeNumber, wholeNumbers, words } from './lib/options.js';
import { exit, expectFolder, print, writeJson } from './lib/output.js';
import { Progress } from './lib/progress.js';

/** A small and a larger batch. */
const defaultBatches = [1, 16];

interface BenchCommandOptions {
  readonly model: string;
  readonly batch?: readonly number[];
  readonly backend?: readonly BackendName[];
  readonly adapter?: 'software';
  readonly tune?: boolean;
  readonly simd?: readonly SimdLevel[];
  readonly linearWeights: 'float32' | 'int16';
  readonly threads?: readonly number[];
  readonly algorithm?: Readonly<Record<string, string>>;
  readonly mode: readonly Mode[];
  readonly layers: boolean;
  readonly peers?: boolean;
  readonly peer?: readonly string[];
  readonly browser?: boolean;
  readonly memory?: boolean;
  readonly rounds?: number;
  readonly json?: string;
  readonly html?: string;
  readonly markdown?: string;
}

/** `tandem bench` */
export function benchCommand(): Command {
  const command = new Command('bench');
  for (const option of tuneOptions()) command.addOption(option);
  return command
    .description('time forward, backward and the training step, layer by layer, on noise or on pictures, next to peers')
    .argument('[image...]', 'pictures that make up the batch')
    .option('--model <name>', 'a preset', 'caffe-alexnet')
    .option(
      '--batch <list>',
      `images in a batch; ${defaultBatches.join(',')} by default, or the number of pictures`,
      wholeNumbers(1),
    )
    .option(
      '--backend <list>',
      `any of ${backendNames.join(', ')}; wasm by default, and webgpu where there is a GPU`,
      words(backendNames),
    )
    .addOption(adapterOption())
    .option(
      '--simd <list>',
      `any of ${simdLevels.join(', ')}: a network for each; the best of this machine by default`,
      words(simdLevels),
    )
    .addOption(
      new Option(
        '--linear-weights <storage>',
        'int16 adds a network that stores its fully connected weights so: at a loss, which is shown, and forward only',
      )
        .choices(['float32', 'int16'])
        .default('float32'),
    )
    .option(
      '--threads <list>',
      'threads of everybody; those of this machine by default; several are measured one after the other, and compared',
      wholeNumbers(1),
    )
    .option(
      '--algorithm <op=name>',
      "force an algorithm of an op, or of one node ('conv2=im2col'); may be repeated (tandem plan shows the names)",
      assignment,
    )
    .option('--mode <list>', `any of ${modes.join(', ')}`, words(modes), ['forward', 'backward'])
    .option('--layers', 'time every layer (the default)', true)
    .option('--no-layers', 'whole networks only')
    .option(
      '--peers',
      'also time onnxruntime-node, onnxruntime-web and PyTorch, where they are found, and compare results',
    )
    .option('--peer <list>', `these peers only: any of ${peerNames.join(', ')}`, words(peerNames))
    .option(
      '--browser',
      'in a headless Chromium instead of Node (in a clone of the project): WebAssembly and WebGPU, and of the peers those that run there',
    )
    .option(
      '--memory',
      'also measure the peak memory of each run, in a process of its own (--peers does so for forward)',
    )
    .option('--rounds <n>', 'samples of each figure; as many as fit into a few seconds by default', wholeNumber(2))
    .option('--json <file>', "write all figures to a file ('-': standard output)")
    .option('--html <file>', 'write a page with a bar for each layer')
    .option('--markdown <file>', 'write the tables as Markdown')
    .action(runBench);
}

async function runBench(paths: readonly string[], options: BenchCommandOptions): Promise<void> {
  const quiet = options.json === '-';
  for (const path of [options.json, options.html, options.markdown]) if (path !== undefined) await expectFolder(path);
  const model = preset(options.model);
  const images = paths.length > 0 ? await loadImages(paths, model.preprocessing) : undefined;
  const batches = options.batch ?? (images ? [paths.length] : defaultBatches);
  if (images && !quiet) print(describeImages(paths.length, batches));

  const site = options.browser ? await openBrowser(options) : undefined;
  const progress = new Progress('bench');
  try {
    const { found, absent } = await backendsOf(options);
    const report = await runBenchmark({
      model,
      batches,
      backends: found,
      absent,
      tune: options.tune,
      simd: options.simd,
      linearWeights: options.linearWeights,
      threads: options.threads,
      algorithms: options.algorithm,
      modes: options.mode,
      layers: options.layers,
      peers: wantedPeers(options, site?.peers ?? peers),
      memoryModes: memoryModes(options),
      site,
      images,
      sampling: options.rounds === undefined ? undefined : { rounds: options.rounds },
      onProgress: (done, total, what) => progress.update(done, total, what),
    });
    progress.stop();
    if (!quiet) print(formatReport(report));
    if (options.json !== undefined) await writeJson(options.json, report);
    if (options.html !== undefined) await writeText(options.html, reportPage(report));
    if (options.markdown !== undefined) await writeText(options.markdown, formatMarkdown(report));
    if (report.agreement.some(({ agrees }) => !agrees)) process.exitCode = exit.checkFailed;
  } finally {
    progress.stop();
    await site?.close();
  }
}

/** @throws ArgumentError for what cannot be measured there */
async function openBrowser({ memory, adapter }: BenchCommandOptions): Promise<BrowserSite> {
  if (memory) throw new ArgumentError('--memory measures processes of Node: it cannot be had with --browser');
  const site = await BrowserSite.open(adapter);
  if (site.adapter === 'software') {
    const reason = adapter === undefined ? 'it found no hardware adapter' : 'as asked for';
    process.stderr.write(`tandem: Chromium computes on SwiftShader, a software adapter (${reason})\n`);
  }
  return site;
}

function wantedPeers({ peers: wanted, peer: names }: BenchCommandOptions, known: readonly Peer[]): readonly Peer[] {
  if (names) return known.filter(({ name }) => names.includes(name));
  return wanted ? known : [];
}

function memoryModes({ memory, peers: beside, browser, mode }: BenchCommandOptions): readonly Mode[] {
  if (memory) return mode;
  return beside && !browser ? ['forward'] : [];
}

/** Those asked for; or what this machine has, with the reason for what it has not. */
async function backendsOf({ backend, adapter, browser }: BenchCommandOptions): ReturnType<typeof backendsHere> {
  if (backend) return { found: backend, absent: [] };
  if (browser) return { found: ['wasm', ...adapterBackends], absent: [] };
  const { found, absent } = await backendsHere();
  // A software adapter is slow, and measured by those only who ask for it.
  return adapter === undefined
    ? { found, absent }
    : { found: [...new Set([...found, ...adapterBackends])], absent: [] };
}

function writeText(path: string, text: string): Promise<void> {
  return writeAtomically(path, (write) => write(new TextEncoder().encode(text)));
}

/** How pictures and batch sizes go together. */
function describeImages(count: number, batches: readonly number[]): string {
  const pictures = count === 1 ? '1 picture' : `${count} pictures`;
  const uses = batches.map((batch) => {
    if (batch === count) return `all at once at batch ${batch}`;
    return batch < count ? `${batch} at a time at batch ${batch}` : `over and over to fill batch ${batch}`;
  });
  return `${pictures}: ${uses.join(', ')}`;
}
