/** What a pickle holds, once read: data, never code. */
import type { FileError } from '../errors.js';

export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleBytes
  | PickleText
  | PickleList
  | PickleDict
  | PickleGlobal
  | PickleObject;

/** An error that names the file and the place in its pickle. */
export type Fail = (what: string) => FileError;

/** bytes, bytearray, or the str of Python 2: where they lie, what they are when they are few, or both. */
export class PickleBytes {
  constructor(
    readonly length: number,
    /** In the source of the pickle; undefined for bytes that it has in another form. */
    readonly offset: number | undefined,
    /** One character for each byte, when they are few. */
    readonly latin1: string | undefined,
  ) {}
}

/** Text that is too long to be a name: where its UTF-8 lies. */
export class PickleText {
  constructor(
    readonly length: number,
    readonly offset: number,
  ) {}
}

/** A list, a tuple or a set. */
export class PickleList {
  constructor(
    readonly items: PickleValue[],
    readonly kind: 'list' | 'tuple' | 'set',
  ) {}
}

/** A dictionary in the order of its first insertions. */
export class PickleDict {
  readonly entries = new Map<PickleValue, PickleValue>();

  /** Python 2 has names as bytes: they become text here. */
  set(key: PickleValue, value: PickleValue): void {
    this.entries.set(textOf(key) ?? key, value);
  }
}

/** Something of a module that is known; what can be called makes data from its arguments. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly call?: (args: readonly PickleValue[], fail: Fail) => PickleValue,
  ) {}
}

/** What a known callable made, other than plain data. */
export abstract class PickleObject {
  /** Takes the state that Python would hand to __setstate__. */
  build(_state: PickleValue, fail: Fail): void {
    throw fail('a state for what has none');
  }
}

/** The bytes that a long text stands for, one a character: how Python 3 writes bytes in protocol 2. */
export class PickleEncoded extends PickleObject {
  constructor(readonly text: PickleText) {
    super();
  }
}

/** Text, or the few bytes that Python 2 has for it. */
export function textOf(value: PickleValue): string | undefined {
  if (typeof value === 'string') return value;
  return value instanceof PickleBytes ? value.latin1 : undefined;
}

/** The items of a list or tuple. */
export function itemsOf(value: PickleValue | undefined): readonly PickleValue[] | undefined {
  return value instanceof PickleList ? value.items : undefined;
}

/** A list or tuple of integers from 0 on, such as a shape; Python 2 may have its numbers as longs. */
export function countsOf(value: PickleValue | undefined): readonly number[] | undefined {
  const items = itemsOf(value);
  return items?.every(isCount) ? items : undefined;
}

export function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
