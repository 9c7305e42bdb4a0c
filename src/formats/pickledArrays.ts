/** NumPy's arrays in pickles, and the globals that a dictionary of them needs. */
import { FileError } from '../errors.js';
import { formatShape } from '../ops/define.js';
import { type ByteSource, memorySource } from './byteSource.js';
import { type NumpyType, numpyType } from './numpyTypes.js';
import {
  countsOf,
  type Fail,
  itemsOf,
  PickleBytes,
  PickleDict,
  PickleEncoded,
  PickleGlobal,
  PickleList,
  PickleObject,
  PickleText,
  type PickleValue,
  textOf,
} from './pickleValues.js';
import { columnMajorStrides, countElements, rowMajorStrides } from './shapes.js';
import { rangeSource, sequentialSource } from './sourceParts.js';
import { stridedReader } from './strided.js';
import { isFloatType, type StoredTensor } from './tensorFile.js';

/** numpy.dtype: its code without the byte order, such as 'f4', and the order. */
class PickledType extends PickleObject {
  order = '|';
  private record = false;

  constructor(readonly code: string) {
    super();
  }

  /** (version, byte order, subarray, names, fields, bytes, alignment, flags, …) */
  override build(state: PickleValue, fail: Fail): void {
    const [, order, subarray, names] = itemsOf(state) ?? [];
    const text = textOf(order ?? null);
    if (text === undefined || !'<>|='.includes(text)) throw fail('numpy.dtype: its state has no byte order');
    this.order = text;
    this.record = (subarray ?? null) !== null || (names ?? null) !== null;
  }

  get isObject(): boolean {
    return /^O\d*$/.test(this.code);
  }

  /** @throws what `fail` makes of it for records and other types without a size */
  type(fail: Fail): NumpyType {
    const type = this.record ? undefined : numpyType(this.order + this.code);
    if (!type) throw fail(`arrays of numpy.dtype ${JSON.stringify(this.code.slice(0, 40))} cannot be read`);
    return type;
  }
}

/** numpy.ndarray, once its state has been set. */
export class PickledArray extends PickleObject {
  shape: readonly number[] = [];
  private type = new PickledType('f8');
  private fortran = false;
  private data: PickleValue = new PickleBytes(0, undefined, '');

  /** (version, shape, dtype, whether in Fortran's order, bytes or a list of objects) */
  override build(state: PickleValue, fail: Fail): void {
    const [, shape, type, fortran, data] = itemsOf(state) ?? [];
    this.set(countsOf(shape), type, fortran === true || fortran === 1, data, fail);
  }

  set(
    shape: readonly number[] | undefined,
    type: PickleValue | undefined,
    fortran: boolean,
    data: PickleValue | undefined,
    fail: Fail,
  ): void {
    if (!shape || !(type instanceof PickledType) || data === undefined)
      throw fail('an array without shape, type or data');
    this.shape = shape;
    this.type = type;
    this.fortran = fortran;
    this.data = data;
  }

  /** What an array of objects holds; a single one for an array without dimensions. */
  get objects(): PickleValue | undefined {
    const items = this.type.isObject ? itemsOf(this.data) : undefined;
    return items && this.shape.length === 0 && items.length === 1 ? items[0] : items && this.data;
  }

  /** The array as a tensor, checked against the bytes that it has in the source of its pickle. */
  stored(source: ByteSource, fail: Fail): StoredTensor {
    const { shape, fortran, data } = this;
    const { dtype, bytes, bigEndian } = this.type.type(fail);
    const content = contentOf(source, data);
    if (!content) throw fail('an array without bytes');
    const size = bytes * countElements(shape, content.most, fail);
    if (size < content.least || size > content.most) {
      throw fail(`an array of ${dtype} ${formatShape(shape)} takes ${size} bytes, it has ${content.most}`);
    }
    if (!isFloatType(dtype)) return { shape, dtype };
    const strides = fortran ? columnMajorStrides(shape) : rowMajorStrides(shape);
    return { shape, dtype, load: stridedReader(content.open(size), { begin: 0, dtype, bigEndian, shape, strides }) };
  }
}

/** Where the bytes of an array are, and how many there may be: text shows their number only when it is decoded. */
interface Content {
  readonly least: number;
  readonly most: number;
  open(size: number): ByteSource;
}

function contentOf(source: ByteSource, data: PickleValue): Content | undefined {
  if (data instanceof PickleEncoded) {
    const { offset, length } = data.text;
    const open = (size: number) => sequentialSource(source.label, size, () => decoded(source, offset, length));
    return { least: length / 2, most: length, open };
  }
  if (!(data instanceof PickleBytes)) return undefined;
  const { offset, length, latin1 } = data;
  const open = (): ByteSource => {
    if (offset !== undefined) return rangeSource(source, offset, length, source.label);
    return memorySource(
      Uint8Array.from(latin1 ?? '', (character) => character.charCodeAt(0)),
      source.label,
    );
  };
  return { least: length, most: length, open };
}

/** Bytes from text that has one character for each. */
async function* decoded(source: ByteSource, offset: number, length: number): AsyncGenerator<Uint8Array> {
  const raw = new Uint8Array(Math.min(2 ** 20, length));
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (let at = 0; at < length; at += raw.length) {
    const part = raw.subarray(0, length - at);
    await source.read(offset + at, part);
    const text = decode(source, decoder, part, at + part.length < length);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 255) throw new FileError(`${source.label}: pickle, byte ${offset}: the text there is not of bytes`);
      bytes[i] = code;
    }
    yield bytes;
  }
}

function decode(source: ByteSource, decoder: TextDecoder, bytes: Uint8Array, stream: boolean): string {
  try {
    return decoder.decode(bytes, { stream });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new FileError(`${source.label}: pickle: a text that is not UTF-8`, { cause: error });
  }
}

/** Python 2 and 3, NumPy 1 and 2 have different homes for the same things. */
const builtins = ['__builtin__', 'builtins'] as const;
const numpyCores = ['numpy.core', 'numpy._core'] as const;

/** Plain data, and NumPy's arrays and types, by 'module.name'. */
export const numpyGlobals: ReadonlyMap<string, PickleGlobal> = new Map(
  [
    new PickleGlobal('collections.OrderedDict', dictOf),
    new PickleGlobal('collections.Counter', dictOf),
    ...builtins.flatMap((module) => [
      new PickleGlobal(`${module}.set`, setOf),
      new PickleGlobal(`${module}.frozenset`, setOf),
      new PickleGlobal(`${module}.bytearray`, bytesOf),
      new PickleGlobal(`${module}.bytes`, bytesOf),
    ]),
    new PickleGlobal('_codecs.encode', encoded),
    new PickleGlobal('numpy.ndarray'),
    new PickleGlobal('numpy.dtype', ([code], fail) => {
      const text = textOf(code ?? null);
      if (text === undefined) throw fail('expected the name of a type');
      return new PickledType(text);
    }),
    ...numpyCores.flatMap((core) => [
      new PickleGlobal(`${core}.multiarray._reconstruct`, ([type], fail) => {
        if (!(type instanceof PickleGlobal) || type.name !== 'numpy.ndarray') throw fail('expected numpy.ndarray');
        return new PickledArray();
      }),
      // A lone number, such as the best accuracy so far, is no tensor.
      new PickleGlobal(`${core}.multiarray.scalar`, () => null),
      new PickleGlobal(`${core}.numeric._frombuffer`, ([data, type, shape, order], fail) => {
        const array = new PickledArray();
        array.set(countsOf(shape), type, textOf(order ?? null) === 'F', data, fail);
        return array;
      }),
    ]),
  ].map((global) => [global.name, global]),
);

/** From nothing, a dictionary, or pairs as Python 2 has them. */
function dictOf([content]: readonly PickleValue[], fail: Fail): PickleDict {
  const dict = new PickleDict();
  if (content instanceof PickleDict) for (const [key, value] of content.entries) dict.set(key, value);
  else if (content !== undefined) {
    for (const pair of itemsOf(content) ?? [null]) {
      const [key, value] = itemsOf(pair) ?? [];
      if (key === undefined || value === undefined) throw fail('expected pairs');
      dict.set(key, value);
    }
  }
  return dict;
}

function setOf([content]: readonly PickleValue[]): PickleList {
  return new PickleList([...(itemsOf(content) ?? [])], 'set');
}

/** bytes() and bytearray(), of bytes or of text that stands for them. */
function bytesOf([content, ...encoding]: readonly PickleValue[], fail: Fail): PickleValue {
  if (content === undefined) return new PickleBytes(0, undefined, '');
  return content instanceof PickleBytes ? content : encoded([content, ...encoding], fail);
}

function encoded([content, encoding]: readonly PickleValue[], fail: Fail): PickleValue {
  if (!/^(latin1|latin-1)$/.test(textOf(encoding ?? null) ?? '')) throw fail('expected a text and latin1');
  if (content instanceof PickleText) return new PickleEncoded(content);
  const text = textOf(content);
  if (text === undefined || /[^\0-\xff]/.test(text)) throw fail('expected a text of bytes');
  return new PickleBytes(text.length, undefined, text);
}
