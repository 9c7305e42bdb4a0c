/** Which parameters a step trains, and which of them share a learning rate. */
import { ArgumentError } from '../errors.js';
import type { LearningRate } from './types.js';

export interface Rates {
  /** Parameters that are trained, in the order of the layers. */
  readonly trained: readonly string[];
  /** For each of them the place of its rate in `values`, in the order in which the rates are first met. */
  readonly groups: readonly number[];
  /** Each rate once. */
  readonly values: readonly number[];
}

/** The input of a graph that holds a rate. */
export function rateInput(group: number): string {
  return group === 0 ? 'learningRate' : `learningRate ${group + 1}`;
}

/**
 * A number is the rate of all `parameters`, 0 too; parameters for which a function says 0 are left out.
 *
 * @throws ArgumentError for a rate that is negative or not finite
 */
export function ratesOf(rate: LearningRate, parameters: readonly string[]): Rates {
  if (typeof rate !== 'function') {
    return { trained: parameters, groups: parameters.map(() => 0), values: [checkRate(rate)] };
  }
  const values: number[] = [];
  const trained: string[] = [];
  const groups: number[] = [];
  for (const name of parameters) {
    const own = checkRate(rate(name), name);
    if (own === 0) continue;
    if (!values.includes(own)) values.push(own);
    trained.push(name);
    groups.push(values.indexOf(own));
  }
  if (parameters.length > 0 && trained.length === 0) {
    throw new ArgumentError('learningRate is 0 for every parameter that is not frozen: there is nothing to train');
  }
  return { trained, groups, values };
}

/** A finite number that is not negative, or an ArgumentError. */
export function checkRate(value: number, parameter?: string): number {
  if (!Number.isFinite(value) || value < 0) {
    const of = parameter === undefined ? '' : ` of '${parameter}'`;
    throw new ArgumentError(`learningRate${of} must be a finite number of at least 0, got ${value}`);
  }
  return value;
}
