/** Learning rates over time, as data, and their evaluation. Every schedule is a factor on the rate that training starts with. */
import { ArgumentError } from '../errors.js';
import type { Recipe } from './model.js';

export type Schedule =
  | { readonly kind: 'fixed' }
  /** gamma^⌊iteration / size⌋ (Caffe's step). */
  | { readonly kind: 'step'; readonly size: number; readonly gamma: number }
  /** factors[i] from epochs[i] on, until the next; 1 before the first. A factor of 0 freezes. */
  | { readonly kind: 'multistep'; readonly epochs: readonly number[]; readonly factors: readonly number[] }
  /** (1 − iteration / iterations)^power (Caffe's poly). */
  | { readonly kind: 'poly'; readonly power: number }
  /**
   * Falls by `factor` in all, in `steps` equal stretches of the training: factor^(−i/(steps − 1)) in stretch i = 0 …
   * steps − 1 (cuda-convnet2's dexp).
   */
  | { readonly kind: 'dexp'; readonly factor: number; readonly steps: number }
  /**
   * Times `factor` whenever validation has not improved for `patience` epochs, at most `drops` times (Krizhevsky et al. 2012, §5: a tenth,
   * three times). How often it has dropped is not in the recipe: the trainer counts, and hands the count in.
   */
  | { readonly kind: 'plateau'; readonly factor: number; readonly patience: number; readonly drops: number };

/** Parameters with a schedule of their own. */
export interface ScheduleOverride {
  /** 'weights', 'biases', or the name of a parameter ('conv1.weight'). */
  readonly of: 'weights' | 'biases' | (string & {});
  readonly schedule: Schedule;
}

/** Iterations of some epochs of a training set, the last one whole. */
export function iterationsOf(epochs: number, trainingImages: number, batch: number): number {
  return Math.ceil((epochs * trainingImages) / batch);
}

/** Where training stands: all that schedules depend on. */
interface Progress {
  readonly iteration: number;
  readonly iterations: number;
  /** With a fraction; undefined where the size of the training set is not known. */
  readonly epoch: number | undefined;
  /** How often a plateau has lowered the rate. */
  readonly drops: number;
}

function factorOf(schedule: Schedule, { iteration, iterations, epoch, drops }: Progress): number {
  const share = Math.min(1, iteration / iterations);
  switch (schedule.kind) {
    case 'fixed':
      return 1;
    case 'step':
      return schedule.gamma ** Math.floor(iteration / schedule.size);
    case 'multistep': {
      if (epoch === undefined) throw new ArgumentError("a schedule of epochs needs the recipe's trainingImages");
      const reached = schedule.epochs.findLastIndex((start) => epoch >= start);
      return reached < 0 ? 1 : schedule.factors[reached];
    }
    case 'poly':
      return (1 - share) ** schedule.power;
    case 'dexp': {
      const stretch = Math.min(schedule.steps - 1, Math.floor(share * schedule.steps));
      return schedule.factor ** (-stretch / (schedule.steps - 1));
    }
    case 'plateau':
      return schedule.factor ** Math.min(drops, schedule.drops);
  }
}

/**
 * What the learning rate of a parameter is multiplied with at an iteration (counted from 0), beside its own constant multiplier.
 *
 * @param drops how often a plateau has lowered the rate so far
 * @throws ArgumentError when the schedule counts epochs and the recipe does not say how many images there are
 */
export function rateFactor(
  recipe: Pick<Recipe, 'batch' | 'iterations' | 'schedule' | 'overrides' | 'trainingImages'>,
  parameter: string,
  iteration: number,
  drops = 0,
): number {
  const { batch, iterations, trainingImages } = recipe;
  const epoch = trainingImages === undefined ? undefined : (iteration * batch) / trainingImages;
  const kind = parameter.endsWith('.bias') ? 'biases' : 'weights';
  const own = recipe.overrides?.findLast(({ of }) => of === parameter || of === kind);
  return factorOf(own?.schedule ?? recipe.schedule, { iteration, iterations, epoch, drops });
}
