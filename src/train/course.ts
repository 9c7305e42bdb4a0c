/** What a recipe comes to on a given training set: how many steps, how many of them an epoch, and the rate of each. */
import { ArgumentError, InputError } from '../errors.js';
import type { Recipe } from '../models/model.js';
import { rateFactor } from '../models/schedule.js';
import type { TrainingProgress } from './progress.js';

export interface Course {
  /** With the iterations and the images an epoch of this training. */
  readonly recipe: Recipe;
  readonly steps: number;
  /** Whole batches of the training set. */
  readonly stepsPerEpoch: number;
}

/** What may replace the length that the recipe has. */
export interface CourseLength {
  readonly epochs?: number;
  readonly steps?: number;
}

/**
 * A recipe's length is kept in epochs when it is known how many images it was made for, else in iterations. An epoch is the whole
 * batches of the training set.
 *
 * @param batchBefore the batch that the recipe's iterations are counted in
 * @throws InputError for a training set that does not fill one batch, ArgumentError for a length that cannot be
 */
export function courseOf(
  recipe: Recipe,
  images: number,
  { epochs, steps }: CourseLength,
  batchBefore = recipe.batch,
): Course {
  const { batch } = recipe;
  expectCount('batch', batch);
  if (images < batch) {
    throw new InputError(`the training set has ${images} images, expected at least the ${batch} of one batch`);
  }
  const stepsPerEpoch = Math.floor(images / batch);
  if (epochs !== undefined && steps !== undefined) throw new ArgumentError('give epochs or steps, not both');
  if (epochs !== undefined) expectCount('epochs', epochs);
  const total =
    steps ?? (epochs === undefined ? ownLength(recipe, images, batchBefore) : Math.round(epochs * stepsPerEpoch));
  expectCount('steps', total);
  return {
    recipe: { ...recipe, iterations: total, trainingImages: stepsPerEpoch * batch },
    steps: total,
    stepsPerEpoch,
  };
}

function ownLength({ iterations, trainingImages, batch }: Recipe, images: number, batchBefore: number): number {
  if (trainingImages === undefined) return iterations;
  return Math.max(1, Math.round((iterations * batchBefore * images) / (batch * trainingImages)));
}

function expectCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new ArgumentError(`${name} must be a whole number of at least 1, got ${value}`);
}

/** Factors of single parameters, from those of layers and parameters; the more special one counts. */
export function rateFactors(
  parameters: readonly string[],
  rates: Readonly<Record<string, number>>,
): ReadonlyMap<string, number> {
  const factors = new Map<string, number>();
  for (const [name, factor] of Object.entries(rates)) {
    const matches = parameters.filter((parameter) => parameter === name || parameter.startsWith(`${name}.`));
    if (matches.length === 0) {
      throw new ArgumentError(`rates: there is no parameter or layer '${name}'; there are ${parameters.join(', ')}`);
    }
    if (!Number.isFinite(factor) || factor < 0) {
      throw new ArgumentError(`rates: the factor of '${name}' must be a finite number of at least 0, got ${factor}`);
    }
    for (const match of matches) if (match === name || !(match in rates)) factors.set(match, factor);
  }
  return factors;
}

/** The rate before the factors of single parameters. */
export function rateAt({ recipe }: Course, { step, drops }: TrainingProgress): number {
  const { overrides: _, ...general } = recipe;
  return recipe.learningRate * rateFactor(general, 'weight', step, drops);
}

/** What `Network.step` takes as its learning rate: one number where all parameters share it. */
export function ratesAt(
  course: Course,
  factors: ReadonlyMap<string, number>,
  progress: TrainingProgress,
): number | ((parameter: string) => number) {
  const { recipe } = course;
  if (factors.size === 0 && !recipe.overrides?.length) return rateAt(course, progress);
  return (parameter) =>
    recipe.learningRate * rateFactor(recipe, parameter, progress.step, progress.drops) * (factors.get(parameter) ?? 1);
}
