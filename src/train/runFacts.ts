/** How a training was run, in words: what somebody needs who wants to run it again. */
import type { Dataset } from '../data/dataset.js';
import type { Network } from '../engine/network.js';
import type { OptimizerSettings } from '../engine/optimizer.js';
import type { Model, Recipe } from '../models/model.js';
import { elements } from '../ops/define.js';

export interface Run {
  readonly network: Network<Model>;
  /** As it was followed: that of a `Trainer`. */
  readonly recipe: Recipe;
  readonly optimizer: OptimizerSettings;
  readonly train: Dataset;
  /** Of the training, by which its whole course is decided; the network's own may differ. */
  readonly seed: number;
  /** `engine.info.description` */
  readonly backend: string;
  readonly seconds: number;
}

/** Name → value, in the order in which they are to be read. */
export function runFacts({ network, recipe, optimizer, train, seed, backend, seconds }: Run): Record<string, string> {
  const { name, options, classes } = network.model;
  const parameters = network.parameters.reduce((sum, { shape }) => sum + elements(shape), 0);
  const frozen = network.parameters.filter((parameter) => parameter.frozen).map((parameter) => parameter.name);
  return {
    model: name,
    options: settingsText(options),
    parameters: count(parameters),
    ...(frozen.length > 0 ? { frozen: frozen.join(', ') } : {}),
    data: `${train.name}: ${count(train.labels.length)} images of ${train.shape.join(' × ')}, ${classes} classes`,
    recipe: `${count(recipe.iterations)} steps of ${recipe.batch} images, learning rate ${recipe.learningRate}`,
    schedule: [
      scheduleText(recipe.schedule),
      ...(recipe.overrides ?? []).map(({ of, schedule }) => `${of}: ${scheduleText(schedule)}`),
    ].join('; '),
    optimizer: optimizerText(optimizer),
    seed: String(seed),
    backend,
    time: timeText(seconds),
  };
}

/** 'sgd, rule caffe, momentum 0.9' */
export function optimizerText({ kind = 'sgd', ...attributes }: OptimizerSettings): string {
  return [kind, settingsText(attributes)].filter((part) => part !== '').join(', ');
}

function scheduleText({ kind, ...settings }: Recipe['schedule']): string {
  return [kind, settingsText(settings)].filter((part) => part !== '').join(', ');
}

function settingsText(settings: object): string {
  const one = (value: unknown) => (Array.isArray(value) ? value.join(' and ') : String(value));
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${one(value)}`)
    .join(', ');
}

function timeText(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return [hours > 0 ? `${hours} h` : '', whole >= 60 ? `${minutes} min` : '', `${rest} s`]
    .filter((part) => part !== '')
    .join(' ');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
