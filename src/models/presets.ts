/** The networks that come with Tandem, by name. */
import { ArgumentError } from '../errors.js';
import {
  eighteenPercentPreset,
  eightySecondsPreset,
  elevenPercentPreset,
  fullPreset,
  quickPreset,
  thirteenPercentPreset,
} from './cifar10.js';
import { type FamilyOptions, makeModel, type Preset } from './family.js';
import {
  alexnet2012Preset,
  alexnetPreset,
  caffeAlexnetPreset,
  caffenetPreset,
  oneTowerPreset,
  owtPreset,
  singlePreset,
} from './imagenet.js';
import { mnistPreset } from './mnist.js';
import type { Model } from './model.js';
import type { ModelOptions } from './options.js';

const all: readonly Preset[] = [
  alexnetPreset,
  alexnet2012Preset,
  caffeAlexnetPreset,
  caffenetPreset,
  oneTowerPreset,
  singlePreset,
  owtPreset,
  mnistPreset,
  eightySecondsPreset,
  quickPreset,
  eighteenPercentPreset,
  fullPreset,
  thirteenPercentPreset,
  elevenPercentPreset,
];

/** Name → factory. A factory checks its options and throws an ArgumentError for those it does not know. */
export const presets: ReadonlyMap<string, (options: FamilyOptions | ModelOptions) => Model> = new Map(
  all.map((each) => [each.name, (options) => makeModel(each, options)]),
);

/**
 * A preset by name.
 *
 * @throws ArgumentError for an unknown name (it lists the known ones, nearest first) or an option that does not fit.
 */
export function preset(name: string, options: FamilyOptions | ModelOptions = {}): Model {
  const factory = presets.get(name);
  if (factory) return factory(options);
  const distance = new Map([...presets.keys()].map((known) => [known, editDistance(name, known)]));
  const nearestFirst = [...distance.keys()].sort((a, b) => (distance.get(a) ?? 0) - (distance.get(b) ?? 0));
  throw new ArgumentError(`there is no preset '${name}', expected one of ${nearestFirst.join(', ')}`);
}

/** Insertions, deletions and replacements that lead from one word to the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, j) => j);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length];
}
