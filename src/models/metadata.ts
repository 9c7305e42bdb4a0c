/** A model as the strings that a weights file keeps beside its tensors, and back. */
import { ArgumentError, FileError } from '../errors.js';
import type { Model, Preprocessing } from './model.js';
import type { ModelOptions } from './options.js';
import { preset } from './presets.js';

/**
 * Everything needed to make the model again: 'preset', and as JSON 'options', 'classes' and 'preprocessing'; 'classNames' too where the
 * model has them, and the 'structure' of one that is no preset.
 */
export function weightsMetadata(model: Model): Record<string, string> {
  return {
    preset: model.name,
    options: JSON.stringify(model.options),
    classes: JSON.stringify(model.classes),
    preprocessing: JSON.stringify(model.preprocessing),
    ...(model.structure ? { structure: model.structure } : {}),
    ...(model.classNames ? { classNames: JSON.stringify(model.classNames) } : {}),
  };
}

/**
 * The model that a weights file was made for, with the file's preprocessing.
 *
 * @param where stands for the file in errors
 * @param made the model of a file that names no preset but has a structure
 * @throws FileError naming the field that is missing or wrong.
 */
export function modelFromMetadata(
  metadata: Readonly<Record<string, string>>,
  where = 'the metadata',
  made?: Model,
): Model {
  const text = (field: string) => {
    if (!Object.hasOwn(metadata, field)) throw new FileError(`${where}: the metadata have no '${field}'`);
    return metadata[field];
  };
  const json = (field: string): unknown => {
    try {
      return JSON.parse(text(field));
    } catch (error) {
      if (error instanceof FileError) throw error;
      throw new FileError(`${where}: '${field}' in the metadata is not JSON`, { cause: error });
    }
  };
  const model = made ?? presetOf(text('preset'), json('options'), where);
  const classes = json('classes');
  if (classes !== model.classes) {
    throw new FileError(
      `${where}: 'classes' is ${classes} in the metadata, the preset and its options have ${model.classes}`,
    );
  }
  const preprocessing = json('preprocessing');
  if (!isPreprocessing(preprocessing)) {
    throw new FileError(
      `${where}: 'preprocessing' in the metadata lacks a field or has a wrong one: ${text('preprocessing')}`,
    );
  }
  const named = Object.hasOwn(metadata, 'classNames')
    ? { classNames: namesOf(json('classNames'), model.classes, where) }
    : {};
  return { ...model, preprocessing, ...named };
}

function namesOf(value: unknown, classes: number, where: string): readonly string[] {
  if (Array.isArray(value) && value.length === classes && value.every((name) => typeof name === 'string')) return value;
  throw new FileError(`${where}: 'classNames' in the metadata must be a list of ${classes} strings`);
}

function presetOf(name: string, options: unknown, where: string): Model {
  if (typeof options !== 'object' || options === null) throw new FileError(`${where}: 'options' must be a JSON object`);
  try {
    return preset(name, options as ModelOptions);
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    throw new FileError(`${where}: ${error.message}`, { cause: error });
  }
}

function isPreprocessing(value: unknown): value is Preprocessing {
  if (typeof value !== 'object' || value === null) return false;
  const { channels, fit, resize, crop, mean, scale, std, meanImage } = value as Partial<Preprocessing>;
  const perChannel = (levels: unknown): levels is readonly number[] =>
    Array.isArray(levels) && levels.length === (channels === 'grey' ? 1 : 3) && levels.every(Number.isFinite);
  return (
    (channels === 'RGB' || channels === 'BGR' || channels === 'grey') &&
    (fit === 'warp' || fit === 'shorter-side') &&
    Number.isInteger(resize) &&
    Number.isInteger(crop) &&
    perChannel(mean) &&
    Number.isFinite(scale) &&
    (std === undefined || (perChannel(std) && std.every((deviation) => deviation > 0))) &&
    (meanImage === undefined || typeof meanImage === 'boolean')
  );
}
