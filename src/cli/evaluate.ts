import { Command, Option } from 'commander';
import type { DataSplits, Dataset } from '../data/dataset.js';
import { imageInput } from '../data/imageInput.js';
import { openData } from '../data/openData.js';
import { openEngine } from '../engine/engine.js';
import { ArgumentError } from '../errors.js';
import { openWeights, type WeightsFile } from '../formats/network.js';
import { type Evaluation, evaluate } from '../train/evaluate.js';
import type { Crops } from '../train/predict.js';
import { addBackendOptions, type BackendChoice } from './lib/backendOptions.js';
import { cropsOption, weightsOption, wholeNumber } from './lib/options.js';
import { expectFolder, print, writeJson } from './lib/output.js';
import { Progress } from './lib/progress.js';
import { formatCount, formatTable } from './lib/table.js';
import { share } from './lib/trainingOptions.js';
import { figure, percent } from './lib/trainingScreen.js';

/** More classes than this make no readable matrix: what was confused most often is listed instead. */
const widestMatrix = 20;
const mostPairs = 20;

interface EvaluateCommandOptions extends BackendChoice {
  readonly model?: string;
  readonly weights: string;
  readonly data: string;
  readonly split?: 'train' | 'validation' | 'test';
  readonly validation?: number;
  readonly crops: Crops;
  readonly batch?: number;
  readonly skipBad?: boolean;
  readonly seed: number;
  readonly json?: string;
}

/** `tandem evaluate` */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('classify a dataset: top-1 and top-5 accuracy, loss, and what was taken for what')
    .addOption(weightsOption().makeOptionMandatory())
    .option('--model <name>', 'what the weights are of, if they do not say it')
    .option('--data <source>', "as of tandem train; 'synthetic' by default", 'synthetic')
    .addOption(
      new Option('--split <part>', 'part of the data; what there is to test with by default').choices([
        'train',
        'validation',
        'test',
      ]),
    )
    .option('--validation <share>', 'with the --seed of the training: the share that was kept apart', share)
    .addOption(cropsOption())
    .option('--batch <n>', 'images at one time; 100 by default', wholeNumber(1))
    .option('--skip-bad', 'leave out images that cannot be read')
    .option('--seed <n>', 'of synthetic data and of the validation images', wholeNumber(0), 1)
    .option('--json <file>', "write all figures to a file ('-': standard output)")
    .action(runEvaluate);
  return addBackendOptions(command);
}

async function runEvaluate(options: EvaluateCommandOptions): Promise<void> {
  if (options.json !== undefined) await expectFolder(options.json);
  const weights = await openWeights(options.weights, { model: options.model });
  const { model } = weights;
  const progress = new Progress('evaluate');
  let splits: DataSplits | undefined;
  try {
    splits = await openData(options.data, {
      preprocessing: model.preprocessing,
      augmentation: model.augmentation,
      seed: options.seed,
      validation: options.validation,
      skipBad: options.skipBad,
      onProgress: (done, total, note) => progress.update(done, total, note),
      onSkipped: (path, reason) => process.stderr.write(`tandem: left out '${path}': ${reason}\n`),
    });
    const part = options.split ?? (splits.test ? 'test' : splits.validation ? 'validation' : 'train');
    const dataset = splits[part];
    if (!dataset) throw new ArgumentError(`'${options.data}' has no ${part} images`);
    await report(weights, dataset, options, progress);
  } finally {
    progress.stop();
    await weights.file.close();
    for (const each of Object.values(splits ?? {})) await each?.close();
  }
}

async function report(
  { model, input, file }: WeightsFile,
  dataset: Dataset,
  { crops, batch, json, backend, threads }: EvaluateCommandOptions,
  progress: Progress,
): Promise<void> {
  await using engine = await openEngine({ backend, threads });
  const network = await engine.network(model, { input: input ?? imageInput(model, dataset.shape), weights: file });
  const start = performance.now();
  const onProgress = (done: number, total: number) => progress.update(done, total);
  const evaluation = await evaluate(network, dataset, { crops, batch, onProgress });
  const imagesPerSecond = (evaluation.images / (performance.now() - start)) * 1000;
  progress.stop();
  if (json !== '-') print(format(`${model.name} on ${dataset.name}`, evaluation, imagesPerSecond));
  if (json === undefined) return;
  const { confusion, ...figures } = evaluation;
  const rows = evaluation.classes.map((_, i) => [...rowOf(confusion, i, evaluation.classes.length)]);
  await writeJson(json, {
    model: model.name,
    data: dataset.name,
    crops,
    imagesPerSecond,
    ...figures,
    confusion: rows,
  });
}

function rowOf(confusion: Int32Array, label: number, classes: number): Int32Array {
  return confusion.subarray(label * classes, (label + 1) * classes);
}

function format(title: string, evaluation: Evaluation, imagesPerSecond: number): string {
  const { images, top1, top5, loss, classes } = evaluation;
  return [
    `${title}: ${formatCount(images)} images, ${formatCount(imagesPerSecond)} a second`,
    `top-1 ${percent(top1)}, top-5 ${percent(top5)}, loss ${figure(loss)}`,
    '',
    classes.length <= widestMatrix ? matrix(evaluation) : confusedPairs(evaluation),
  ].join('\n');
}

/** Rows are what the images are, columns what they were taken for, by the numbers of the classes. */
function matrix({ classes, confusion, perClass }: Evaluation): string {
  const left = (title: string) => ({ title, align: 'left' }) as const;
  const right = (title: string) => ({ title, align: 'right' }) as const;
  const columns = [left('is \\ taken for'), ...classes.map((_, i) => right(String(i))), right('top-1')];
  const rows = classes.map((name, label) => {
    const counts = [...rowOf(confusion, label, classes.length)].map((count) => (count === 0 ? '·' : String(count)));
    return [`${label} ${name}`, ...counts, perClass[label].images === 0 ? '–' : percent(perClass[label].top1)];
  });
  return formatTable(columns, rows);
}

function confusedPairs({ classes, confusion }: Evaluation): string {
  const pairs = [...confusion.keys()]
    .map((at) => ({ label: Math.floor(at / classes.length), predicted: at % classes.length, count: confusion[at] }))
    .filter(({ label, predicted, count }) => label !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, mostPairs);
  const columns = [
    { title: 'is', align: 'left' },
    { title: 'taken for', align: 'left' },
    { title: 'images', align: 'right' },
  ] as const;
  return formatTable(
    columns,
    pairs.map(({ label, predicted, count }) => [classes[label], classes[predicted], String(count)]),
  );
}
