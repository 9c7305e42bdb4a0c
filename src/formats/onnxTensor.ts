/** Tensors of ONNX files (TensorProto of the public onnx.proto): checked and located, not read. */
import { FileError } from '../errors.js';
import { formatShape } from '../ops/define.js';
import { type ByteSource, readBytes } from './byteSource.js';
import { externalData } from './onnxExternal.js';
import type { onnxMessages } from './onnxSchema.js';
import { countFloats, countIntegers, locatedFloats, locatedIntegers } from './protobufData.js';
import type { Located, Message } from './protobufMessage.js';
import { countElements } from './shapes.js';
import { convertFloats, floatReader, isFloatType, type ReadFloats, type StoredTensor } from './tensorFile.js';

export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** 'F32', 'I64', …: the names that safetensors has for types; other types have names like 'STRING'. */
  readonly dtype: string;
  /**
   * The elements, row-major; F16 and BF16 are widened, F64 is rounded.
   *
   * @throws FileError for a tensor of another type, and when its data cannot be read
   */
  floats(): Promise<Float32Array>;
  /**
   * The elements of a tensor of integers or booleans, row-major.
   *
   * @throws FileError for a tensor of another type, for integers that are not safe, and when its data cannot be read
   */
  integers(): Promise<readonly number[]>;
}

type TensorProto = Message<typeof onnxMessages, 'TensorProto'>;

/** How tensors of a type lie in `raw_data`, and in which field where they do not. */
interface Storage {
  /** Bytes of an element in raw_data. */
  readonly bytes: number;
  readonly field: 'floatData' | 'doubleData' | 'int32Data' | 'int64Data' | 'uint64Data';
  /** Reads an element of raw_data; for integers. */
  readonly integer?: (view: DataView, at: number) => number | bigint;
}

/** TensorProto.DataType: names by number. */
const typeNames: readonly string[] = [
  '',
  'F32',
  'U8',
  'I8',
  'U16',
  'I16',
  'I32',
  'I64',
  'STRING',
  'BOOL',
  'F16',
  'F64',
  'U32',
  'U64',
  'C64',
  'C128',
  'BF16',
];

const storages: ReadonlyMap<string, Storage> = new Map<string, Storage>([
  ['F32', { bytes: 4, field: 'floatData' }],
  ['F64', { bytes: 8, field: 'doubleData' }],
  ['F16', { bytes: 2, field: 'int32Data' }],
  ['BF16', { bytes: 2, field: 'int32Data' }],
  ['BOOL', { bytes: 1, field: 'int32Data', integer: (view, at) => view.getUint8(at) }],
  ['U8', { bytes: 1, field: 'int32Data', integer: (view, at) => view.getUint8(at) }],
  ['I8', { bytes: 1, field: 'int32Data', integer: (view, at) => view.getInt8(at) }],
  ['U16', { bytes: 2, field: 'int32Data', integer: (view, at) => view.getUint16(at, true) }],
  ['I16', { bytes: 2, field: 'int32Data', integer: (view, at) => view.getInt16(at, true) }],
  ['I32', { bytes: 4, field: 'int32Data', integer: (view, at) => view.getInt32(at, true) }],
  ['U32', { bytes: 4, field: 'uint64Data', integer: (view, at) => view.getUint32(at, true) }],
  ['I64', { bytes: 8, field: 'int64Data', integer: (view, at) => view.getBigInt64(at, true) }],
  ['U64', { bytes: 8, field: 'uint64Data', integer: (view, at) => view.getBigUint64(at, true) }],
]);

/** Most integers that are read at once: they stand for shapes and axes, not for weights. */
const mostIntegers = 2 ** 24;

/** The name of a TensorProto.DataType. */
export function onnxTypeName(type: number): string {
  return typeNames[type] ?? `type ${type}`;
}

/**
 * @param fallback stands for the name of a tensor that has none, such as one in an attribute
 * @throws FileError when its data cannot be of its type and shape, or lie where they must not
 */
export async function onnxTensor(
  source: ByteSource,
  proto: TensorProto,
  fallback: string,
): Promise<OnnxTensor & StoredTensor> {
  const name = proto.name || fallback;
  const where = `${source.label}: tensor '${name}' at byte ${proto.offset}`;
  const { dims: shape, dataType = 0 } = proto;
  if (dataType < 1) throw new FileError(`${where} has data_type ${dataType}, expected a type of ONNX`);
  const dtype = onnxTypeName(dataType);
  const count = countElements(shape, Number.MAX_SAFE_INTEGER, (what) => new FileError(`${where}: ${what}`));
  if (proto.segment.length > 0) throw new FileError(`${where} is a segment of one, which is not read`);
  const data = await locate(source, proto, dtype, count, where);
  return {
    name,
    shape,
    dtype,
    ...(data.load ? { load: data.load } : {}),
    async floats() {
      if (!data.load) throw new FileError(`${where} is ${dtype}, expected floats`);
      const values = new Float32Array(count);
      await data.load(values, 0);
      return values;
    },
    async integers() {
      if (!data.integers) throw new FileError(`${where} is ${dtype}, expected integers`);
      if (count > mostIntegers) throw new FileError(`${where} has ${count} integers, at most ${mostIntegers} are read`);
      const values = await data.integers();
      const unsafe = values.findIndex((value) => !Number.isSafeInteger(value));
      if (unsafe >= 0) throw new FileError(`${where} has ${values[unsafe]} at ${unsafe}, which is no safe integer`);
      return values;
    },
  };
}

interface TensorData {
  /** For a type of floats. */
  readonly load?: ReadFloats;
  /** For a type of integers. */
  readonly integers?: () => Promise<readonly number[]>;
}

async function locate(
  source: ByteSource,
  proto: TensorProto,
  dtype: string,
  count: number,
  where: string,
): Promise<TensorData> {
  const storage = storages.get(dtype);
  if (!storage) return {};
  const needed = count * storage.bytes;
  const typed = proto[storage.field];
  const raw = proto.rawData;
  if (proto.dataLocation === 1) {
    const { source: beside, begin, length = needed } = await externalData(source, proto.externalData, where);
    if (length !== needed || begin + needed > beside.size) {
      throw new FileError(
        `${where} is ${dtype} ${formatShape(proto.dims)} of ${needed} bytes, its external data are ${length} from byte ${begin} of ${beside.label}, which has ${beside.size}`,
      );
    }
    return plainData(beside, begin, dtype, storage, count);
  }
  if (raw.length > 0 && typed.length > 0) throw new FileError(`${where} has its data twice`);
  if (raw.length > 0) {
    const { begin, end } = wholePiece(raw, where);
    if (end - begin !== needed) throw wrongLength(proto, dtype, where, `raw_data of ${end - begin} bytes`, needed);
    return plainData(source, begin, dtype, storage, count);
  }
  if (storage.field === 'floatData' || storage.field === 'doubleData') {
    const floats = dtype === 'F32' ? 'F32' : 'F64';
    const found = countFloats(typed, floats);
    if (found !== count) throw wrongLength(proto, dtype, where, `${found} floats`, count);
    return { load: locatedFloats(source, typed, floats) };
  }
  const { least, most } = countIntegers(typed);
  if (count < least || count > most) throw wrongLength(proto, dtype, where, `${most} bytes of integers`, count);
  return integerData(source, typed, dtype, count);
}

/** Elements one after another, as raw_data and external files have them. */
function plainData(source: ByteSource, begin: number, dtype: string, storage: Storage, count: number): TensorData {
  if (isFloatType(dtype)) return { load: floatReader(source, begin, dtype) };
  const { bytes, integer } = storage;
  return {
    integers: async () => {
      const raw = await readBytes(source, begin, count * bytes);
      const view = new DataView(raw.buffer);
      return Array.from({ length: count }, (_, i) => Number(integer?.(view, bytes * i)));
    },
  };
}

/** Elements as integers of a repeated field; of F16 and BF16 these are the bits. */
function integerData(source: ByteSource, places: Located, dtype: string, count: number): TensorData {
  const read = locatedIntegers(source, places, count);
  if (isFloatType(dtype)) {
    return {
      load: async (into, offset) => {
        const bits = new Uint16Array(into.length);
        await read(offset, into.length, (value, i) => {
          bits[i] = value;
        });
        convertFloats(new Uint8Array(bits.buffer), dtype, into);
      },
    };
  }
  return {
    integers: async () => {
      const values: number[] = new Array(count);
      await read(0, count, (value, i) => {
        values[i] = value;
      });
      return values;
    },
  };
}

function wholePiece(places: Located, where: string): { readonly begin: number; readonly end: number } {
  const [piece] = places;
  if (places.length > 1 || !('end' in piece))
    throw new FileError(`${where} has its raw_data in ${places.length} pieces`);
  return piece;
}

function wrongLength({ dims }: TensorProto, dtype: string, where: string, found: string, expected: number): FileError {
  return new FileError(`${where} is ${dtype} ${formatShape(dims)} and has ${found}, expected ${expected}`);
}
