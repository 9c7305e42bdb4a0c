/** Parsers of the options of `tandem train` and `tandem evaluate`. */
import { InvalidArgumentError } from 'commander';
import { type NoiseScale, noiseScales } from '../../data/statistics.js';
import type { OptimizerSettings } from '../../engine/optimizer.js';
import type { Augmentation } from '../../models/augmentation.js';
import type { ModelOptions } from '../../models/options.js';
import type { Schedule } from '../../models/schedule.js';
import { wholeNumber } from './options.js';

/** A number between two bounds, both allowed unless said otherwise. */
export function number(least: number, most = Number.MAX_VALUE): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < least || value > most) {
      const range = most === Number.MAX_VALUE ? `of at least ${least}` : `from ${least} to ${most}`;
      throw new InvalidArgumentError(`Expected a number ${range}.`);
    }
    return value;
  };
}

/** A part of a whole, less than all of it. */
export function share(text: string): number {
  const value = number(0, 1)(text);
  if (value === 1) throw new InvalidArgumentError('Expected a number from 0 to below 1.');
  return value;
}

/** 'width=0.5', repeated: options of a preset; words stay words. */
export function modelOption(text: string, given: ModelOptions = {}): ModelOptions {
  const [name, value] = pair(text);
  return { ...given, [name]: plain(value) };
}

/** What training images go through, with the noise to be measured on the training set. */
export interface AugmentationChoice extends Pick<Augmentation, 'mirror' | 'cropFrom'> {
  readonly noise?: NoiseScale;
}

/** 'none', or some of 'mirror,crop=40,noise=deviation' */
export function augmentOption(text: string): AugmentationChoice {
  const expected = new InvalidArgumentError(
    `Expected none, or a list of mirror, crop=PIXELS, noise=${noiseScales.join('|')}.`,
  );
  if (text === 'none') return {};
  const given = list(text).map((word): AugmentationChoice => {
    if (word === 'mirror') return { mirror: true };
    const [name, value] = pair(word);
    const scale = noiseScales.find((known) => known === value);
    if (name === 'noise' && scale) return { noise: scale };
    if (name === 'crop') return { cropFrom: wholeNumber(1)(value) };
    throw expected;
  });
  if (given.length === 0) throw expected;
  return Object.assign({}, ...given);
}

/** 'conv1=0.1', repeated. */
export function rateOption(text: string, given: Readonly<Record<string, number>> = {}): Record<string, number> {
  const [name, value] = pair(text);
  return { ...given, [name]: number(0)(value) };
}

/** 'a,b' → ['a', 'b'] */
export function list(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** 'adam', 'paper,momentum=0.9,weightDecay=0.0005': a kind of optimizer or a rule of sgd, then its attributes. */
export function optimizerOption(text: string): OptimizerSettings {
  const [name, ...rest] = list(text);
  const attributes = Object.fromEntries(rest.map(pair).map(([key, value]) => [key, plain(value)]));
  switch (name) {
    case 'adam':
      return { kind: 'adam', ...attributes };
    case 'sgd':
      return { kind: 'sgd', ...attributes };
    case 'paper':
    case 'caffe':
    case 'torch':
      return { kind: 'sgd', rule: name, ...attributes };
    default:
      throw new InvalidArgumentError(
        'Expected adam, sgd, or a rule of sgd: paper, caffe or torch; NAME=VALUE may follow.',
      );
  }
}

/** Fields of each schedule; those of lists take numbers with colons between. */
const scheduleFields: Readonly<Record<Schedule['kind'], readonly string[]>> = {
  fixed: [],
  step: ['size', 'gamma'],
  multistep: ['epochs', 'factors'],
  poly: ['power'],
  dexp: ['factor', 'steps'],
  plateau: ['factor', 'patience', 'drops'],
};
const listFields = ['epochs', 'factors'];

/** 'step,size=1000,gamma=0.1', 'multistep,epochs=8:9,factors=0.1:0.01' */
export function scheduleOption(text: string): Schedule {
  const [kind, ...rest] = list(text);
  if (!Object.hasOwn(scheduleFields, kind)) {
    throw new InvalidArgumentError(
      `Expected one of ${Object.keys(scheduleFields).join(', ')}, with NAME=VALUE after it.`,
    );
  }
  const fields = scheduleFields[kind as Schedule['kind']];
  const given = new Map(rest.map(pair));
  const form = [kind, ...fields.map((field) => `${field}=${listFields.includes(field) ? 'N:N' : 'N'}`)].join(',');
  const expected = new InvalidArgumentError(`Expected ${form}.`);
  if (given.size !== fields.length || fields.some((field) => !given.has(field))) throw expected;
  const values = fields.map((field): [string, number | number[]] => {
    const numbers = (given.get(field) ?? '').split(':').map(number(0));
    if (!listFields.includes(field) && numbers.length !== 1) throw expected;
    return [field, listFields.includes(field) ? numbers : numbers[0]];
  });
  const schedule = { kind, ...Object.fromEntries(values) } as Schedule;
  if (schedule.kind === 'multistep' && schedule.epochs.length !== schedule.factors.length) throw expected;
  return schedule;
}

function pair(text: string): [string, string] {
  const [name, value, ...more] = text.split('=').map((part) => part.trim());
  if (!name || !value || more.length > 0) throw new InvalidArgumentError('Expected NAME=VALUE.');
  return [name, value];
}

/** 'true' and '0.5' as what they are, other words as words. */
function plain(text: string): number | string | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isFinite(Number(text)) ? Number(text) : text;
}
