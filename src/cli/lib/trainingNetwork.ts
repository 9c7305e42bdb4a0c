/** What `tandem train` trains: model, recipe, data and network, from the options and, when resuming, from the checkpoint. */

import type { DataSplits, Dataset } from '../../data/dataset.js';
import { type ImageStatistics, imageInput } from '../../data/imageInput.js';
import { type OpenDataOptions, openData } from '../../data/openData.js';
import { channelMeans, meanImage, principalComponents } from '../../data/statistics.js';
import type { Engine } from '../../engine/engine.js';
import type { ImageInput } from '../../engine/imageInput.js';
import type { Network } from '../../engine/network.js';
import { type OptimizerSettings, withChanges } from '../../engine/optimizer.js';
import { ArgumentError, FileError } from '../../errors.js';
import { loadNetwork, openWeights, type WeightsFile } from '../../formats/network.js';
import { replaceHead } from '../../models/head.js';
import type { Model, Recipe } from '../../models/model.js';
import type { ModelOptions } from '../../models/options.js';
import { preset } from '../../models/presets.js';
import { recipeFor } from '../../models/recipes.js';
import type { Schedule } from '../../models/schedule.js';
import { type Checkpoint, expectNoCheckpoint, readCheckpoint } from '../../train/checkpoint.js';
import type { AugmentationChoice } from './trainingOptions.js';

/**
 * What `tandem train` does when neither model nor data are named: a network that is soon taught. Its own initialisation and pixels of ±128
 * would leave it at the loss of guessing for hundreds of steps, or for good, at the rates that a minute or two takes.
 */
const byDefault = {
  model: 'cifar10-quick',
  data: 'synthetic',
  recipe: 'synthetic',
  option: { init: 'he' },
  inputScale: 1 / 64,
} as const;

/** What of a training set is subtracted from its pixels. */
export const meanKinds = ['image', 'channels'] as const;

export interface SubjectOptions {
  readonly model?: string;
  readonly option?: ModelOptions;
  /** Factor on pixels less their mean, instead of the preset's. */
  readonly inputScale?: number;
  /** Of the training set, instead of what the preset subtracts. */
  readonly mean?: (typeof meanKinds)[number];
  /** Instead of the preset's augmentation. */
  readonly augment?: AugmentationChoice;
  readonly data?: string;
  readonly validation?: number;
  readonly skipBad?: boolean;
  readonly seed?: number;
  readonly recipe?: string;
  readonly batch?: number;
  readonly lr?: number;
  readonly optimizer?: OptimizerSettings;
  readonly schedule?: Schedule;
  readonly weights?: string;
  readonly head?: number | true;
  readonly freeze?: readonly string[];
  readonly checkpoint?: string;
  readonly resume?: boolean;
}

/** Everything but the network itself. */
export interface Subject {
  readonly model: Model;
  readonly recipe: Recipe;
  readonly seed: number;
  readonly splits: DataSplits;
  /** What is classified after each epoch: images kept apart, or those to test with. */
  readonly validation: Dataset | undefined;
  readonly resumed: Omit<Checkpoint, 'file'> | undefined;
  /** How the network reads stored images; a checkpoint has its own. */
  readonly input: ImageInput | undefined;
}

type DataCallbacks = Pick<OpenDataOptions, 'onProgress' | 'onSkipped' | 'signal'>;

/** Reads what there is to read, and opens the data; the device is not needed for it. */
export async function openSubject(options: SubjectOptions, callbacks: DataCallbacks): Promise<Subject> {
  const { data = byDefault.data, checkpoint, weights } = options;
  if (options.resume && checkpoint === undefined) throw new ArgumentError('--resume needs --checkpoint DIR');
  if (options.head !== undefined && weights === undefined) {
    throw new ArgumentError('--head replaces the last layer of a network that was trained before: it needs --weights');
  }
  const ofNew = { '--input-scale': options.inputScale, '--mean': options.mean, '--augment': options.augment };
  for (const [name, value] of Object.entries(ofNew)) {
    if (value === undefined || !(options.resume || weights !== undefined)) continue;
    throw new ArgumentError(`${name} is for a new network: one that was trained before keeps its own`);
  }
  const resumed = options.resume && checkpoint !== undefined ? await readCheckpoint(checkpoint) : undefined;
  if (checkpoint !== undefined && !resumed) await expectNoCheckpoint(checkpoint);
  const known = weights === undefined || resumed ? undefined : await knownOf(weights, options);
  const kept = resumed?.model ?? known?.model;
  const wanted = chosenModel(options, kept, resumed?.path ?? weights);
  const seed = options.seed ?? resumed?.state.seed ?? 1;
  const recipe = recipeOf(options, wanted, resumed?.state.recipe, data);
  const { preprocessing, augmentation } = wanted;
  const { validation, skipBad } = options;
  const splits = await openData(data, { preprocessing, augmentation, seed, validation, skipBad, ...callbacks });
  const { train } = splits;
  const { model: measured, statistics } = kept
    ? { model: wanted, statistics: {} }
    : await measure(wanted, train, options, callbacks);
  const model = resumed?.model ?? withClasses(measured, train, options);
  const input = resumed ? undefined : (known?.input ?? imageInput(model, train.shape, statistics));
  return { model, recipe, seed, splits, validation: splits.validation ?? splits.test, resumed, input };
}

/** What a file of weights says, or is said to be. */
async function knownOf(weights: string, { model: name, option }: SubjectOptions): Promise<Omit<WeightsFile, 'file'>> {
  const given = name !== undefined && option ? preset(name, option) : name;
  const { file, ...known } = await openWeights(weights, { model: given });
  await file.close();
  return known;
}

function chosenModel(options: SubjectOptions, kept: Model | undefined, path?: string): Model {
  const { model: name, option } = options;
  if (!kept) return newModel(options);
  if (name !== undefined && preset(name).name !== kept.name) {
    throw new FileError(`'${path}' holds a ${kept.name}, but --model is ${name}`);
  }
  for (const [key, value] of Object.entries(option ?? {})) {
    if (kept.options[key] === value) continue;
    throw new FileError(`'${path}' holds a ${kept.name} with ${key} ${kept.options[key]}, but --option has ${value}`);
  }
  return kept;
}

function newModel(options: SubjectOptions): Model {
  const { model: name, data } = options;
  const unnamed = name === undefined && (data === undefined || data === byDefault.data) ? byDefault : undefined;
  const model = preset(name ?? byDefault.model, { ...unnamed?.option, ...options.option });
  const scale = options.inputScale ?? unnamed?.inputScale ?? model.preprocessing.scale;
  const { noise: _, ...augmentation } = options.augment ?? {};
  return {
    ...model,
    preprocessing: { ...model.preprocessing, scale },
    ...(options.augment ? { augmentation } : {}),
  };
}

/** A new model with the means that were asked for, and what else of the training set its input needs. */
async function measure(
  model: Model,
  train: Dataset,
  { mean: kind, augment }: SubjectOptions,
  { signal }: DataCallbacks,
): Promise<{ readonly model: Model; readonly statistics: ImageStatistics }> {
  const { preprocessing } = model;
  const hasImage = kind === undefined ? preprocessing.meanImage : kind === 'image';
  const image = hasImage ? await meanImage(train, signal) : undefined;
  const statistics = {
    ...(image ? { meanImage: image } : {}),
    ...(augment?.noise ? { colourNoise: await principalComponents(train, augment.noise, signal) } : {}),
  };
  if (kind === undefined) return { model, statistics };
  const means = image ? planeMeans(image, train.shape[0]) : await channelMeans(train, signal);
  const mean = preprocessing.channels === 'BGR' ? means.reverse() : means;
  return { model: { ...model, preprocessing: { ...preprocessing, mean, meanImage: image !== undefined } }, statistics };
}

function planeMeans(image: Float32Array, channels: number): number[] {
  const plane = image.length / channels;
  return Array.from({ length: channels }, (_, c) => {
    const levels = image.subarray(c * plane, (c + 1) * plane);
    return levels.reduce((sum, level) => sum + level, 0) / plane;
  });
}

/** A model with a class for each of the data's. */
function withClasses(model: Model, train: Dataset, { option, weights, head }: SubjectOptions): Model {
  const classNames = train.classes;
  const count = classNames.length;
  if (model.classes === count) return { ...model, classNames };
  if (weights !== undefined) {
    // `loadNetwork` puts the new layer in.
    if (head !== undefined) return model;
    throw new ArgumentError(
      `'${weights}' tells ${model.classes} classes apart, ${train.name} has ${count}: --head replaces the last layer`,
    );
  }
  if (option?.classes !== undefined) return model;
  return { ...replaceHead(model, count), classNames };
}

/** The recipe that was named; else that of the checkpoint, one for the synthetic images, or the model's own; then the overrides. */
function recipeOf(options: SubjectOptions, model: Model, resumed: Recipe | undefined, data: string): Recipe {
  const { recipe: name, batch, lr, schedule, optimizer } = options;
  const unnamed = resumed ?? recipeFor(model, data === byDefault.data ? byDefault.recipe : 'own');
  const base = name === undefined ? unnamed : recipeFor(model, name);
  const { overrides, ...rest } = base;
  return {
    ...rest,
    // Another schedule is that of all parameters.
    ...(overrides && schedule === undefined ? { overrides } : {}),
    // A recipe that counts its length in epochs keeps them.
    iterations: batch === undefined || !base.trainingImages ? base.iterations : (base.iterations * base.batch) / batch,
    batch: batch ?? base.batch,
    learningRate: lr ?? base.learningRate,
    schedule: schedule ?? base.schedule,
    optimizer: withChanges(base.optimizer, optimizer),
  };
}

/** The network to be trained, with what is frozen. */
export async function openNetwork(
  engine: Engine,
  { model, recipe, seed, splits, resumed, input }: Subject,
  { weights, head, freeze }: SubjectOptions,
): Promise<Network<Model>> {
  const { train } = splits;
  const common = { seed, optimizer: recipe.optimizer, learningRate: recipe.learningRate };
  let network: Network<Model>;
  if (resumed) {
    network = await loadNetwork(engine, resumed.path, common);
  } else if (weights !== undefined) {
    const classes = head === undefined ? undefined : head === true ? train.classes : head;
    network = await loadNetwork(engine, weights, { ...common, model, classes, input });
  } else {
    network = await engine.network(model, { ...common, input });
  }
  try {
    network.freeze(frozenNames(network, freeze ?? resumed?.state.frozen ?? []));
    return network;
  } catch (error) {
    await network.close();
    throw error;
  }
}

/** 'conv*' stands for all layers whose names begin so. */
function frozenNames(network: Network<Model>, patterns: readonly string[]): readonly string[] {
  const names = network.parameters.map(({ name }) => name);
  return patterns.flatMap((pattern) => {
    if (!pattern.endsWith('*')) return [pattern];
    const found = names.filter((name) => name.startsWith(pattern.slice(0, -1)));
    return found.length > 0 ? found : [pattern];
  });
}
