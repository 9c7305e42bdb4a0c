/** Tensors in what a pickle holds: nested dictionaries and lists, flattened to names. */
import { FileError } from '../errors.js';
import type { ByteSource } from './byteSource.js';
import { PickledArray } from './pickledArrays.js';
import { type Fail, PickleDict, PickleList, PickleObject, type PickleValue } from './pickleValues.js';
import type { StoredTensor } from './tensorFile.js';

/** Nested dictionaries that are believed. */
const mostLevels = 32;
/** Steps of the walk and characters of its names for one byte of the file: shared parts may be met more than once, but not without end. */
const workPerByte = 16;

export interface TensorWalk {
  /** Of the pickle. */
  readonly source: ByteSource;
  /** Between the keys of nested dictionaries. */
  readonly separator: string;
  /** A tensor of the format, other than an array of NumPy; undefined for what is none. */
  readonly tensor?: (object: PickleObject, fail: Fail) => StoredTensor | undefined;
}

/**
 * The tensors of a value by name, in the order of the pickle. What is no tensor (numbers, text) is passed over.
 *
 * @param name of a tensor that is in no dictionary
 * @throws FileError naming the tensor that cannot be, or for nesting that no file of weights has
 */
export function pickledTensors(root: PickleValue, name: string, walk: TensorWalk): Map<string, StoredTensor> {
  const { source, separator } = walk;
  const { label } = source;
  const found = new Map<string, StoredTensor>();
  let work = workPerByte * source.size;
  const spend = (amount: number): void => {
    work -= amount;
    if (work < 0) throw new FileError(`${label}: its dictionaries hold each other more often than weights do`);
  };
  const add = (path: string, tensor: StoredTensor): void => {
    const key = path || name;
    if (found.has(key)) throw new FileError(`${label} has two tensors named '${key}'`);
    found.set(key, tensor);
  };
  const visit = (value: PickleValue, path: string, level: number): void => {
    spend(1 + path.length);
    if (level > mostLevels) throw new FileError(`${label}: dictionaries nest deeper than ${mostLevels} at '${path}'`);
    const inside = (key: string, item: PickleValue) =>
      visit(item, path === '' ? key : path + separator + key, level + 1);
    if (value instanceof PickleDict) {
      for (const [key, item] of value.entries) {
        spend(1);
        if (typeof item === 'object' && item !== null) inside(keyText(key, label, path), item);
      }
    } else if (value instanceof PickleList) {
      for (const [i, item] of value.items.entries()) {
        spend(1);
        if (typeof item === 'object' && item !== null) inside(`${i}`, item);
      }
    } else if (value instanceof PickledArray && value.objects !== undefined) {
      visit(value.objects, path, level + 1);
    } else if (value instanceof PickleObject) {
      const fail: Fail = (what) => new FileError(`${label}: tensor '${path || name}': ${what}`);
      const tensor = value instanceof PickledArray ? value.stored(source, fail) : walk.tensor?.(value, fail);
      if (tensor) add(path, tensor);
    }
  };
  visit(root, '', 0);
  return found;
}

function keyText(key: PickleValue, label: string, path: string): string {
  if (typeof key !== 'object') return String(key);
  throw new FileError(`${label}: a key of the dictionary ${path === '' ? '' : `'${path}' `}is no name`);
}

/** A file's name without folders and ending, from the label of its source. */
export function stem(label: string): string {
  const name = label.replace(/^'|'$/g, '').replace(/^.*[/\\]/s, '');
  return name.replace(/(?<=.)\.[^.]*$/s, '');
}
