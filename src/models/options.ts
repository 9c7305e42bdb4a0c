/** Reading the options of a preset: they may come from a command line or from the metadata of a weights file. */
import { ArgumentError } from '../errors.js';

export type ModelOptions = Readonly<Record<string, number | string | boolean>>;

/** Throws an ArgumentError for an option that the preset does not have. */
export function expectOptions(model: string, given: object, known: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name)) {
      throw new ArgumentError(`${model}: there is no option '${name}', expected one of ${known.join(', ')}`);
    }
  }
}

/** A finite number in [least, below), or an ArgumentError. */
export function numberOption(model: string, name: string, value: unknown, least: number, below: number): number {
  if (typeof value !== 'number' || !(value >= least && value < below)) {
    throw new ArgumentError(`${model}: ${name} must be a number from ${least} to below ${below}, got ${String(value)}`);
  }
  return value;
}

/** An integer in [least, most], or an ArgumentError. */
export function integerOption(model: string, name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    throw new ArgumentError(`${model}: ${name} must be an integer from ${least} to ${most}, got ${String(value)}`);
  }
  return value;
}

/** One of a few values, or an ArgumentError that lists them. */
export function choiceOption<T extends string | number | boolean>(
  model: string,
  name: string,
  value: unknown,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    throw new ArgumentError(`${model}: ${name} must be one of ${choices.join(', ')}, got ${String(value)}`);
  }
  return found;
}
