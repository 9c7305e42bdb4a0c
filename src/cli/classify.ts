import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { imageInput } from '../data/imageInput.js';
import { loadStored } from '../data/loadStored.js';
import { storedAs, storedShape } from '../data/stored.js';
import { type Engine, openEngine } from '../engine/engine.js';
import type { ImageInput } from '../engine/imageInput.js';
import type { Network } from '../engine/network.js';
import { ArgumentError } from '../errors.js';
import { loadNetwork, openWeights } from '../formats/network.js';
import type { Model } from '../models/model.js';
import { preset } from '../models/presets.js';
import { elements } from '../ops/define.js';
import { classify, type Guess } from '../train/classify.js';
import type { Crops } from '../train/predict.js';
import { addBackendOptions, type BackendChoice } from './lib/backendOptions.js';
import { type Explanation, explain, makeFolder, stemsIn } from './lib/explanations.js';
import { cropsOption } from './lib/options.js';
import { expectFolder, print, writeJson } from './lib/output.js';
import { Progress } from './lib/progress.js';

/** The network that comes with the package, trained on CIFAR-10. */
const shipped = { model: 'cifar10-quick', folder: new URL('../../../models/', import.meta.url) } as const;

/** Guesses that are shown. */
const shown = 5;

const barWidth = 24;

interface ClassifyCommandOptions extends BackendChoice {
  readonly model?: string;
  readonly weights?: string;
  readonly crops: Crops;
  readonly explain?: string;
  readonly json?: string;
}

interface Classified {
  readonly file: string;
  readonly top: readonly Guess[];
  readonly explanation?: Explanation;
}

/** `tandem classify` */
export function classifyCommand(): Command {
  const command = new Command('classify')
    .description(`say what pictures show: by default one of CIFAR-10's ten classes, by a network that comes along`)
    .argument('<image...>', 'JPEG, PNG or WebP files')
    .option('--weights <file>', 'a network that was trained: a checkpoint, or weights (safetensors)')
    .option('--model <name>', `what the weights are expected to be of; ${shipped.model} comes with its own`)
    .addOption(cropsOption())
    .option(
      '--explain <dir>',
      'write PNGs of what the network sees, of the gradient of its answer, and of how far covering each part lowers its probability',
    )
    .option('--json <file>', "write the figures to a file ('-': standard output)")
    .action(runClassify);
  return addBackendOptions(command);
}

async function runClassify(paths: readonly string[], options: ClassifyCommandOptions): Promise<void> {
  const { json, crops, explain: folder } = options;
  const quiet = json === '-';
  if (json !== undefined) await expectFolder(json);
  const weights = weightsFor(options);
  const { model, input } = await describe(weights);
  if (options.model !== undefined && preset(options.model).name !== model.name) {
    throw new ArgumentError(`'${weights}' holds the weights of ${model.name}, but --model is ${options.model}`);
  }
  const images = await loadStored(paths, {
    ...storedAs(model.preprocessing, model.augmentation),
    side: input.shape[1],
  });
  if (folder !== undefined) await makeFolder(folder);
  const engine = await openEngine({ backend: options.backend, threads: options.threads });
  const progress = new Progress('classify');
  try {
    const network = await loadNetwork(engine, weights, { input });
    const onProgress = (done: number, total: number) => progress.update(done, total, 'images');
    const guesses = await classify(network, images, { crops, onProgress });
    const explanations = folder === undefined ? [] : await explainAll(network, images, guesses, stemsIn(folder, paths));
    progress.stop();
    const all = paths.map((file, i) => ({ file, top: guesses[i].slice(0, shown), explanation: explanations[i] }));
    if (!quiet) print(all.map(format).join('\n\n'));
    if (json !== undefined) await writeJson(json, figures(network, engine, weights, crops, all));
  } finally {
    progress.stop();
    await engine.close();
  }
}

function weightsFor({ weights, model }: ClassifyCommandOptions): string {
  if (weights !== undefined) return weights;
  const name = model === undefined ? shipped.model : preset(model).name;
  if (name !== shipped.model) {
    throw new ArgumentError(`no weights of ${name} come along: --weights FILE, or --model ${shipped.model}`);
  }
  return fileURLToPath(new URL(`${name}.safetensors`, shipped.folder));
}

/** The model of a file, and how it reads stored images: as the file says, or as the model's preprocessing does. */
async function describe(weights: string): Promise<{ readonly model: Model; readonly input: ImageInput }> {
  const { model, input, file } = await openWeights(weights);
  await file.close();
  const reads = input ?? imageInput(model, storedShape(storedAs(model.preprocessing, model.augmentation)));
  const [, height, width] = reads.shape;
  if (height !== width) {
    throw new ArgumentError(`'${weights}' reads images of ${height}×${width}, expected squares to bring pictures to`);
  }
  return { model, input: reads };
}

async function explainAll(
  network: Network<Model>,
  images: Uint8Array,
  guesses: readonly (readonly Guess[])[],
  stems: readonly string[],
): Promise<readonly Explanation[]> {
  const progress = new Progress('explain');
  const size = elements(network.input?.shape ?? []);
  const explanations: Explanation[] = [];
  try {
    for (const [i, stem] of stems.entries()) {
      const image = images.subarray(i * size, (i + 1) * size);
      const update = (done: number, total: number) => progress.update(i * total + done, stems.length * total, stem);
      explanations.push(await explain(network, image, guesses[i], stem, update));
    }
  } finally {
    progress.stop();
  }
  return explanations;
}

function format({ file, top, explanation }: Classified): string {
  const width = Math.max(...top.map(({ label }) => label.length));
  const lines = top.map(
    ({ label, probability }) => `  ${label.padEnd(width)}  ${bar(probability)}  ${percent(probability).padStart(7)}`,
  );
  if (explanation) lines.push(...formatExplanation(explanation, top[0]));
  return [file, ...lines].join('\n');
}

function formatExplanation(explanation: Explanation, { label }: Guess): readonly string[] {
  const { input, saliency, occlusion, probability, leastProbability, patch } = explanation;
  const [top, left, height, width] = patch;
  return [
    `  ${label} falls from ${percent(probability)} to ${percent(leastProbability)} with rows ${top} to ${top + height - 1}, columns ${left} to ${left + width - 1} covered`,
    ...[input, saliency, occlusion].map((file) => `  ${file}`),
  ];
}

/** In eighths of a character. */
function bar(share: number): string {
  const eighths = Math.round(share * barWidth * 8);
  const rest = eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'[(eighths % 8) - 1];
  return `${'█'.repeat(Math.floor(eighths / 8))}${rest}`.padEnd(barWidth);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function figures(
  { model }: Network<Model>,
  engine: Engine,
  weights: string,
  crops: Crops,
  images: readonly Classified[],
) {
  return { model: model.name, weights, backend: engine.info.description, crops, images };
}
