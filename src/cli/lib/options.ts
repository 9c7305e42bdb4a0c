/** Parsers of option values; what they throw becomes commander's one line on stderr. */
import { InvalidArgumentError, Option } from 'commander';
import type { Crops } from '../../train/predict.js';

/** A whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** A number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

/** '1,16' → [1, 16] */
export function wholeNumbers(least: number): (text: string) => number[] {
  const parse = wholeNumber(least);
  return (text) => text.split(',').map(parse);
}

/** 'a,b' → ['a', 'b'], each of them one of those allowed. */
export function words<T extends string>(allowed: readonly T[]): (text: string) => T[] {
  return (text) => text.split(',').map((word) => oneOf(allowed, word.trim()));
}

/** One of the words that are allowed. */
export function word<T extends string>(allowed: readonly T[]): (text: string) => T {
  return (text) => oneOf(allowed, text);
}

function oneOf<T extends string>(allowed: readonly T[], given: string): T {
  const found = allowed.find((candidate) => candidate === given);
  if (found === undefined) throw new InvalidArgumentError(`Expected one of ${allowed.join(', ')}.`);
  return found;
}

/** 'a=b', repeated: adds to what was given before. */
export function assignment(text: string, given: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [name, value, ...more] = text.split('=').map((part) => part.trim());
  if (!name || !value || more.length > 0) throw new InvalidArgumentError('Expected NAME=VALUE.');
  return { ...given, [name]: value };
}

/** `--weights` */
export function weightsOption(): Option {
  return new Option(
    '--weights <file>',
    'a network that was trained: a checkpoint, or weights of any format that tandem convert reads',
  );
}

/** `--crops` */
export function cropsOption(): Option {
  const parse = word(['1', '10'] as const);
  return new Option('--crops <n>', '1, or 10: corners, centre and their mirror images, probabilities averaged')
    .default(1, '1')
    .argParser((text): Crops => (parse(text) === '10' ? 10 : 1));
}
