/** Open files of tensors, whatever their format: what they hold, and floats out of them. */
import { floatTypes, type WeightTensors } from '../engine/weights.js';
import { ArgumentError, FileError } from '../errors.js';
import { elements } from '../ops/define.js';
import type { ByteSource } from './byteSource.js';

export type FloatType = (typeof floatTypes)[number];

export interface TensorEntry {
  readonly shape: readonly number[];
  /** 'F32', 'F16', 'I64', …: the names that safetensors has for types. */
  readonly dtype: string;
}

/** An open file; a network takes it as its `weights`. */
export interface TensorFile extends WeightTensors {
  /** Its name in errors. */
  readonly label: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /**
   * The elements of one tensor, row-major, in `into` when it is given. F16 and BF16 are widened, F64 is rounded.
   *
   * @throws FileError when there is no such tensor, it has no floats, or it cannot be read; ArgumentError when `into` has another length.
   */
  read(name: string, into?: Float32Array): Promise<Float32Array>;
  /**
   * As many elements of one tensor as `into` takes, from element `offset` on.
   *
   * @throws FileError as `read` does; ArgumentError when the tensor has not so many.
   */
  readInto(name: string, into: Float32Array, offset?: number): Promise<void>;
  close(): Promise<void>;
}

/** Fills `into` with elements in row-major order, from element `offset` on. */
export type ReadFloats = (into: Float32Array, offset: number) => Promise<void>;

/** A tensor that a reader has found; one that has no floats has nothing to load. */
export interface StoredTensor extends TensorEntry {
  readonly load?: ReadFloats;
}

/** What a reader has found in a file, as an open file. */
export function tensorFile(
  source: Pick<ByteSource, 'label' | 'close'> & Pick<WeightTensors, 'streams'>,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>> = {},
): TensorFile {
  const { label, streams } = source;
  const find = (name: string): { readonly count: number; readonly load: ReadFloats } => {
    const tensor = tensors.get(name);
    if (!tensor) throw new FileError(`${label} has no tensor '${name}'`);
    const { shape, dtype, load } = tensor;
    if (!load) throw new FileError(`${label}: tensor '${name}' is ${dtype}, only ${floatTypes.join(', ')} can be read`);
    return { count: elements(shape), load };
  };
  const readInto = async (name: string, into: Float32Array, offset = 0): Promise<void> => {
    const { count, load } = find(name);
    if (!(offset >= 0 && offset + into.length <= count)) {
      throw new ArgumentError(`tensor '${name}' has ${count} values, cannot read ${into.length} from ${offset} on`);
    }
    try {
      await load(into, offset);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new FileError(`tensor '${name}': ${error.message}`, { cause: error });
    }
  };
  return {
    label,
    metadata,
    tensors,
    ...(streams === undefined ? {} : { streams }),
    async read(name, into) {
      const { count } = find(name);
      if (into && into.length !== count) {
        throw new ArgumentError(`tensor '${name}' has ${count} values, the array to read it into has ${into.length}`);
      }
      const values = into ?? new Float32Array(count);
      await readInto(name, values);
      return values;
    },
    readInto,
    close: () => source.close(),
  };
}

/**
 * A file of ours without what is no parameter: names with a slash are those of optimizers' states ('conv1.weight/momentum'), of the mean
 * image, of constants in ONNX.
 */
export function parametersIn(file: TensorFile): TensorFile {
  return { ...file, tensors: new Map([...file.tensors].filter(([name]) => !name.includes('/'))) };
}

export function isFloatType(dtype: string): dtype is FloatType {
  return (floatTypes as readonly string[]).includes(dtype);
}

const floatBytes = { F16: 2, BF16: 2, F32: 4, F64: 8 } as const satisfies Readonly<Record<FloatType, number>>;

/** Elements that are converted at one time. */
const converted = 2 ** 18;

/** Reads floats that lie row-major from byte `begin` of a source on. */
export function floatReader(source: ByteSource, begin: number, dtype: FloatType, bigEndian = false): ReadFloats {
  if (dtype === 'F32' && !bigEndian) return (into, offset) => source.read(begin + 4 * offset, bytesOfFloats(into));
  const size = floatBytes[dtype];
  return async (into, offset) => {
    if (into.length === 0) return;
    const buffer = () => new Uint8Array(size * Math.min(into.length, converted));
    const slice = (bytes: Uint8Array, at: number) => bytes.subarray(0, size * Math.min(into.length - at, converted));
    const read = (bytes: Uint8Array, at: number) => source.read(begin + size * (offset + at), slice(bytes, at));
    let [ready, next] = [buffer(), buffer()];
    let reading = read(ready, 0);
    for (let at = 0; at < into.length; at += converted) {
      await reading;
      // What follows is read while this is converted.
      if (at + converted < into.length) reading = read(next, at + converted);
      convertFloats(slice(ready, at), dtype, into.subarray(at, at + converted), bigEndian);
      [ready, next] = [next, ready];
    }
  };
}

/** Floats of any type as float32, one after another. */
export function convertFloats(raw: Uint8Array, dtype: FloatType, into: Float32Array, bigEndian = false): void {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const little = !bigEndian;
  switch (dtype) {
    case 'F32':
      // As bits: a float that is a NaN may lose some of them on its way.
      for (let i = 0, bits = bitsOf(into); i < bits.length; i++) bits[i] = view.getUint32(4 * i, little);
      break;
    case 'F64':
      for (let i = 0; i < into.length; i++) into[i] = view.getFloat64(8 * i, little);
      break;
    case 'BF16':
      for (let i = 0, bits = bitsOf(into); i < bits.length; i++) bits[i] = view.getUint16(2 * i, little) << 16;
      break;
    case 'F16':
      for (let i = 0, bits = bitsOf(into); i < bits.length; i++) {
        const half = view.getUint16(2 * i, little);
        const sign = half & 0x8000;
        const rest = half & 0x7fff;
        if (rest < 0x400) into[i] = (sign ? -rest : rest) * smallestHalf;
        else bits[i] = (sign << 16) | (rest < 0x7c00 ? (rest << 13) + rebias : (rest << 13) | infinity);
      }
  }
}

/**
 * IEEE 754 binary16 has a sign, 5 bits of exponent with bias 15 and 10 bits of fraction; binary32 has 8 with bias 127, and 23. What the
 * biases differ by, and an exponent of ones, as bits of the second; the least value of the first, of which its subnormals are multiples.
 */
const [rebias, infinity, smallestHalf] = [(127 - 15) << 23, 255 << 23, 2 ** -24];

/** The memory of floats as bits: to move NaNs without changing them. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** The memory of floats as bytes. Files are little endian, and so are the machines that Tandem runs on. */
export function bytesOfFloats(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
}
