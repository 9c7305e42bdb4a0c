import { Command } from 'commander';
import { type Engine, openEngine } from '../engine/engine.js';
import type { Network } from '../engine/network.js';
import { DivergenceError } from '../errors.js';
import type { Model } from '../models/model.js';
import { recipes } from '../models/recipes.js';
import { type Evaluation, evaluate } from '../train/evaluate.js';
import type { EndEvent, TrainingEvent } from '../train/events.js';
import { optimizerText } from '../train/runFacts.js';
import { Trainer } from '../train/trainer.js';
import { addBackendOptions, type BackendChoice } from './lib/backendOptions.js';
import { interruptible } from './lib/interrupt.js';
import { wholeNumber, word } from './lib/options.js';
import { exit, expectFolder, print, writeJson } from './lib/output.js';
import { pretrainLayers } from './lib/pretraining.js';
import { Progress } from './lib/progress.js';
import { formatCount, formatExtents } from './lib/table.js';
import { TrainingLog } from './lib/trainingLog.js';
import { meanKinds, openNetwork, openSubject, type Subject, type SubjectOptions } from './lib/trainingNetwork.js';
import {
  augmentOption,
  list,
  modelOption,
  number,
  optimizerOption,
  rateOption,
  scheduleOption,
  share,
} from './lib/trainingOptions.js';
import { type ReportedRun, writeTrainingReport } from './lib/trainingReport.js';
import { duration, figure, percent, TrainingScreen } from './lib/trainingScreen.js';

interface TrainCommandOptions extends SubjectOptions, BackendChoice {
  readonly epochs?: number;
  readonly steps?: number;
  readonly microBatch?: number;
  readonly pretrain?: number | true;
  readonly rate?: Readonly<Record<string, number>>;
  readonly checkpointEvery?: number;
  readonly patience?: number;
  readonly log?: string;
  readonly report?: string;
  readonly json?: string;
}

/** `tandem train` */
export function trainCommand(): Command {
  const command = new Command('train')
    .description('train a network: with no options a small one, on drawn shapes and textures, in a minute or two')
    .option('--model <name>', 'a preset; cifar10-quick by default, or that of --weights or of the checkpoint')
    .option('--option <name=value>', "an option of the preset, such as 'width=0.5'; may be repeated", modelOption)
    .option('--input-scale <factor>', "factor on pixels (0 to 255) less their mean, instead of the preset's", number(0))
    .option(
      '--mean <kind>',
      "what is subtracted from pixels, instead of the preset's: the mean 'image' of the training set, or the means of its 'channels'",
      word(meanKinds),
    )
    .option(
      '--augment <list>',
      "what training images go through, instead of the preset's: none, or some of 'mirror,crop=40,noise=deviation' (crop: side that crops are cut from; noise: along the principal components of the training set's colours, scaled by 'deviation' or 'eigenvalue')",
      augmentOption,
    )
    .option(
      '--data <source>',
      "a folder of class folders of images, with MNIST's files or with CIFAR-10's binary release; or 'synthetic' (the default)",
    )
    .option('--validation <share>', 'share of the training images that is kept apart to validate with', share)
    .option('--skip-bad', 'leave out images that cannot be read')
    .option('--epochs <n>', "instead of the recipe's length", wholeNumber(1))
    .option('--steps <n>', "instead of the recipe's length", wholeNumber(1))
    .option('--recipe <name>', `own, another preset's, or one of ${[...recipes.keys()].join(', ')}`)
    .option('--batch <n>', 'images in a step', wholeNumber(1))
    .option('--micro-batch <n>', 'images on the device at one time: gradients of parts are added up', wholeNumber(1))
    .option('--lr <rate>', 'learning rate at the start', number(0))
    .option(
      '--optimizer <kind>',
      "adam, or sgd by a rule: paper, caffe or torch; with attributes: 'caffe,momentum=0.9,weightDecay=0.004'",
      optimizerOption,
    )
    .option(
      '--schedule <kind>',
      "fixed, 'step,size=N,gamma=N', 'multistep,epochs=8:9,factors=0.1:0.01', 'poly,power=N', 'dexp,factor=N,steps=N' or 'plateau,factor=0.1,patience=3,drops=3'",
      scheduleOption,
    )
    .option('--rate <layer=factor>', 'factor on the learning rate of a layer or parameter; may be repeated', rateOption)
    .option(
      '--weights <file>',
      'start from the parameters of a network that was trained before, in any format that tandem convert reads; --model says what they are of, if they do not',
    )
    .option('--head [classes]', 'with --weights: replace the last layer, for the classes of the data', wholeNumber(1))
    .option('--freeze <list>', "layers or parameters that stay as they are; 'conv*' for all that begin so", list)
    .option(
      '--pretrain [steps]',
      'first teach each convolution in turn to give back its input, without labels; 500 steps a layer by default',
      wholeNumber(1),
    )
    .option('--patience <epochs>', 'stop after so many epochs without a better validation', wholeNumber(1))
    .option('--checkpoint <dir>', 'folder of the last and the best checkpoint')
    .option('--checkpoint-every <steps>', 'also between the ends of epochs', wholeNumber(1))
    .option('--resume', 'go on from the last checkpoint, to the same results as if it had never stopped')
    .option('--seed <n>', 'of initial values, order, augmentation and dropout; 1 by default', wholeNumber(0))
    .option('--log <file>', 'write a JSON object a line: epoch, step, loss, top1, top5, lr, imagesPerSecond')
    .option(
      '--report <file>',
      'write a page with curves, filters, confusion matrix and sample mistakes (HTML); with --log it also tells of what was before a --resume',
    )
    .option('--json <file>', "write the figures of the whole training to a file ('-': standard output)")
    .action(runTrain);
  return addBackendOptions(command);
}

async function runTrain(options: TrainCommandOptions): Promise<void> {
  const quiet = options.json === '-';
  for (const path of [options.json, options.log, options.report]) if (path !== undefined) await expectFolder(path);
  const keeps = options.checkpoint === undefined ? '' : ', then saving';
  const interrupt = interruptible(`tandem: ending after this step${keeps}; again to end at once`);
  const { signal } = interrupt;
  const progress = new Progress('data');
  let engine: Engine | undefined;
  let subject: Subject | undefined;
  try {
    subject = await openSubject(options, {
      signal,
      onProgress: (done, total, note) => progress.update(done, total, note),
      onSkipped: (path, reason) => process.stderr.write(`tandem: left out '${path}': ${reason}\n`),
    });
    progress.stop();
    engine = await openEngine({ backend: options.backend, threads: options.threads });
    const network = await openNetwork(engine, subject, options);
    const trainer = makeTrainer(network, subject, options, signal);
    if (!quiet) print(describe(network, subject, trainer, engine));
    // A checkpoint has what pre-training came to.
    if (options.pretrain !== undefined && !options.resume) {
      const settings = { steps: options.pretrain === true ? undefined : options.pretrain, batch: subject.recipe.batch };
      await pretrainLayers(engine, network, subject.splits.train, { ...settings, signal }, quiet);
    }
    await train(trainer, network, subject, options, signal, engine.info.description);
    if (signal.aborted) process.exitCode = exit.interrupted;
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    process.exitCode = exit.interrupted;
  } finally {
    progress.stop();
    interrupt.release();
    await engine?.close();
    for (const dataset of Object.values(subject?.splits ?? {})) await dataset?.close();
  }
}

function makeTrainer(
  network: Network<Model>,
  { recipe, splits, validation, resumed }: Subject,
  options: TrainCommandOptions,
  signal: AbortSignal,
): Trainer {
  const { epochs, microBatch, rate, checkpoint, checkpointEvery, resume, patience } = options;
  // The length of a training that goes on is that which it began with, unless another one is asked for.
  const same = resumed !== undefined && epochs === undefined && options.recipe === undefined;
  const { optimizer: _, ...general } = recipe;
  return new Trainer(network, {
    train: splits.train,
    validation,
    recipe: general,
    epochs,
    steps: options.steps ?? (same ? resumed.state.recipe.iterations : undefined),
    microBatch,
    rates: rate,
    checkpoint,
    checkpointEvery,
    resume,
    patience,
    signal,
  });
}

function describe(network: Network<Model>, subject: Subject, trainer: Trainer, engine: Engine): string {
  const { splits, validation, resumed, seed } = subject;
  const { model } = network;
  const { recipe, steps, stepsPerEpoch } = trainer;
  const parameters = network.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const frozen = network.parameters.filter((parameter) => parameter.frozen).length;
  const validated = validation === undefined ? '' : `; ${describeData(validation)} to validate with`;
  return [
    `${model.name}: ${formatCount(parameters)} parameters${frozen > 0 ? `, ${frozen} tensors of them frozen` : ''}, ${model.classes} classes, seed ${seed}`,
    `${describeData(splits.train)} of ${formatExtents(splits.train.shape)}${validated}`,
    `${optimizerText(network.optimizer)}; learning rate ${recipe.learningRate}, ${recipe.schedule.kind}; ${formatCount(steps)} steps of ${recipe.batch}, ${formatCount(stepsPerEpoch)} an epoch`,
    engine.info.description,
    ...(resumed ? [`going on after step ${formatCount(resumed.state.progress.step)} of '${resumed.path}'`] : []),
    '',
  ].join('\n');
}

function describeData({ name, labels }: { readonly name: string; readonly labels: Int32Array }): string {
  return `${name}: ${formatCount(labels.length)} images`;
}

async function train(
  trainer: Trainer,
  network: Network<Model>,
  { splits, validation, recipe, seed, resumed }: Subject,
  options: TrainCommandOptions,
  signal: AbortSignal,
  backend: string,
): Promise<void> {
  const quiet = options.json === '-';
  const begun = resumed?.state.progress.step ?? 0;
  const opened = options.log === undefined ? undefined : await TrainingLog.open(options.log, resumed && begun);
  const screen = new TrainingScreen({
    steps: trainer.steps,
    epochs: Math.ceil(trainer.steps / trainer.stepsPerEpoch),
    batch: trainer.recipe.batch,
    validates: validation !== undefined,
    quiet,
    begun,
  });
  const start = performance.now();
  let end: EndEvent | undefined;
  let last: Extract<TrainingEvent, { kind: 'step' }> | undefined;
  const events = [...(opened?.before ?? [])];
  const elapsed = () => (performance.now() - start) / 1000;
  const report = async (seconds: number, evaluated: Pick<ReportedRun, 'evaluation' | 'dataset' | 'failure'>) => {
    if (options.report === undefined) return;
    const { recipe } = trainer;
    const run = { network, recipe, optimizer: network.optimizer, train: splits.train, seed, backend, seconds, events };
    await writeTrainingReport(options.report, { ...run, ...evaluated });
  };
  try {
    for await (const event of trainer.fit()) {
      await opened?.log.add(event);
      events.push(event);
      screen.show(event);
      if (event.kind === 'step') last = event;
      if (event.kind === 'end') end = event;
    }
  } catch (error) {
    if (error instanceof DivergenceError) await report(elapsed(), { failure: error });
    throw error;
  } finally {
    screen.stop();
    await opened?.log.close();
  }
  const seconds = elapsed();
  const test = signal.aborted || !splits.test ? undefined : await tested(network, splits.test, recipe.batch, signal);
  const dataset = splits.test ?? validation;
  const shown = options.report === undefined || signal.aborted || !dataset ? undefined : dataset;
  await report(seconds, {
    evaluation: test ?? (shown && (await tested(network, shown, recipe.batch, signal))),
    dataset: shown,
  });
  if (!quiet) for (const each of closing(end, seconds, splits.test?.name, test, options)) print(each);
  if (options.json !== undefined) {
    const { loss, top1, top5, images } = test ?? {};
    await writeJson(options.json, {
      model: network.model.name,
      options: network.model.options,
      recipe: { ...trainer.recipe, optimizer: network.optimizer },
      seed,
      reason: end?.reason,
      step: end?.step,
      seconds,
      train: last,
      best: end?.best,
      test: test && { images, loss, top1, top5 },
    });
  }
}

async function tested(
  network: Network<Model>,
  dataset: NonNullable<Subject['splits']['test']>,
  batch: number,
  signal: AbortSignal,
): Promise<Evaluation> {
  const progress = new Progress('test');
  try {
    return await evaluate(network, dataset, {
      batch,
      signal,
      onProgress: (done, total) => progress.update(done, total),
    });
  } finally {
    progress.stop();
  }
}

function closing(
  end: EndEvent | undefined,
  seconds: number,
  testName: string | undefined,
  test: Evaluation | undefined,
  { checkpoint }: TrainCommandOptions,
): string[] {
  const what = { done: 'done', 'early stop': 'stopped early', aborted: 'interrupted' }[end?.reason ?? 'done'];
  const lines = ['', `${what} after ${formatCount(end?.step ?? 0)} steps, ${duration(seconds)}`];
  if (end?.best) {
    lines.push(
      `best validation: top-1 ${percent(end.best.top1)}, loss ${figure(end.best.loss)}, epoch ${end.best.epoch}`,
    );
  }
  if (test) {
    lines.push(`${testName}: top-1 ${percent(test.top1)}, top-5 ${percent(test.top5)}, loss ${figure(test.loss)}`);
  }
  lines.push(
    checkpoint === undefined
      ? 'nothing was saved: --checkpoint DIR keeps the network'
      : `kept in ${checkpoint}: last.safetensors${end?.best ? ' and best.safetensors' : ''}`,
  );
  return lines;
}
