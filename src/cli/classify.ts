import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { imageInput } from '../data/imageInput.js';
import { loadStored } from '../data/loadStored.js';
import { storedAs, storedShape } from '../data/stored.js';
import { type Engine, openEngine } from '../engine/engine.js';
import type { ImageInput } from '../engine/imageInput.js';
import type { Network } from '../engine/network.js';
import { ArgumentError, FileError } from '../errors.js';
import { openWeights, type WeightsFile } from '../formats/network.js';
import type { Model } from '../models/model.js';
import { preset } from '../models/presets.js';
import { elements } from '../ops/define.js';
import { classify, type Guess } from '../train/classify.js';
import type { Crops } from '../train/predict.js';
import { addBackendOptions, type BackendChoice } from './lib/backendOptions.js';
import { type Explanation, explain, makeFolder, stemsIn } from './lib/explanations.js';
import { cropsOption, weightsOption } from './lib/options.js';
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
  readonly labels?: string;
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
    .addOption(weightsOption())
    .option('--model <name>', `what the weights are of, if they do not say it; ${shipped.model} comes with its own`)
    .option('--labels <file>', 'names of the classes, one a line')
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
  const path = weightsFor(options);
  const weights = await openWeights(path, { model: options.model });
  const progress = new Progress('classify');
  try {
    const model = options.labels === undefined ? weights.model : await labelled(weights.model, options.labels);
    const input = inputOf(weights, path);
    const images = await loadStored(paths, {
      ...storedAs(model.preprocessing, model.augmentation),
      side: input.shape[1],
    });
    if (folder !== undefined) await makeFolder(folder);
    await using engine = await openEngine({ backend: options.backend, threads: options.threads });
    const network = await engine.network(model, { input, weights: weights.file });
    const onProgress = (done: number, total: number) => progress.update(done, total, 'images');
    const guesses = await classify(network, images, { crops, onProgress });
    const explanations = folder === undefined ? [] : await explainAll(network, images, guesses, stemsIn(folder, paths));
    progress.stop();
    const all = paths.map((file, i) => ({ file, top: guesses[i].slice(0, shown), explanation: explanations[i] }));
    if (!quiet) print(all.map(format).join('\n\n'));
    if (json !== undefined) await writeJson(json, figures(network, engine, path, crops, all));
  } finally {
    progress.stop();
    await weights.file.close();
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

/** How the network reads stored images: as its file says, or as the model's preprocessing does. */
function inputOf({ model, input }: WeightsFile, path: string): ImageInput {
  const reads = input ?? imageInput(model, storedShape(storedAs(model.preprocessing, model.augmentation)));
  const [, height, width] = reads.shape;
  if (height === width) return reads;
  throw new ArgumentError(`'${path}' reads images of ${height}×${width}, expected squares to bring pictures to`);
}

/** The model with the names of its classes from a file. */
async function labelled(model: Model, path: string): Promise<Model> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new FileError(`cannot read '${path}': ${error.message}`, { cause: error });
  });
  const classNames = text.trimEnd().split(/\r?\n/);
  if (classNames.length === model.classes) return { ...model, classNames };
  throw new FileError(`'${path}' has ${classNames.length} lines, expected a name for each of ${model.classes} classes`);
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
