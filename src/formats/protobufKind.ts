/**
 * Which protobuf message a file is. The wire format does not say; but of its first fields, their numbers and wire types tell ONNX
 * models and Caffe's nets from each other and from other files, also when the file is cut short.
 */
import { type ByteSource, readBytes } from './byteSource.js';
import { varintLength, varintValue, wireType } from './protobuf.js';

/** Wire types by field number. */
type Shape = ReadonlyMap<number, readonly number[]>;

const { varint, bytes } = wireType;

function shape(varints: readonly number[], lengths: readonly number[]): Shape {
  const both = [
    ...varints.map((number) => [number, varint] as const),
    ...lengths.map((number) => [number, bytes] as const),
  ];
  const all = new Map<number, number[]>();
  for (const [number, wire] of both) all.set(number, [...(all.get(number) ?? []), wire]);
  return all;
}

const modelProto = shape([1, 5], [2, 3, 4, 6, 7, 8, 14, 20, 25, 26]);
const netParameter = shape([4, 5, 7], [1, 2, 3, 4, 6, 8, 100]);
const layerParameter = shape([10], [1, 2, 3, 4, 6, 7, 8, 9]);
const v1LayerParameter = shape([5], [1, 2, 3, 4, 6, 32, 33]);

/** Whether a source begins as an ONNX model: it has an ir_version and a graph, and nothing that contradicts. */
export async function looksLikeOnnx(source: ByteSource): Promise<boolean> {
  const heads = await headsOf(source, 0, Number.POSITIVE_INFINITY, modelProto);
  return heads !== undefined && [1, 7].every((number) => heads.some((head) => head.number === number));
}

/** Whether a source begins as the net of a `.caffemodel`: it has a layer whose fields are those of one, and nothing that contradicts. */
export async function looksLikeCaffemodel(source: ByteSource): Promise<boolean> {
  const heads = await headsOf(source, 0, Number.POSITIVE_INFINITY, netParameter);
  const layer = heads?.find(({ number }) => number === 2 || number === 100);
  if (!layer) return false;
  const fields = layer.number === 100 ? layerParameter : v1LayerParameter;
  const inner = await headsOf(source, layer.begin, layer.end, fields);
  return inner?.some(({ number }) => fields.has(number)) ?? false;
}

interface Head {
  readonly number: number;
  readonly wire: number;
  /** Of the bytes after its length; the end of a varint is its own. */
  readonly begin: number;
  readonly end: number;
}

/** Fields that are looked at. */
const most = 256;

/**
 * The first fields of a message, up to one that the end of the source cuts off.
 *
 * @param end where the message says that it ends, which may be beyond the source
 * @returns undefined for what is no message, and where a field has another wire type than the shape says
 */
async function headsOf(
  source: ByteSource,
  begin: number,
  end: number,
  known: Shape,
): Promise<readonly Head[] | undefined> {
  const heads: Head[] = [];
  const stop = Math.min(end, source.size);
  for (let at = begin; at < stop && heads.length < most; ) {
    const head = await headAt(source, at, stop);
    if (head === 'cut') break;
    if (!head || head.end > end || !(known.get(head.number)?.includes(head.wire) ?? true)) return undefined;
    heads.push(head);
    at = head.end;
  }
  return heads;
}

/** @returns 'cut' for one that the end of the source leaves unfinished, undefined for what is no field */
async function headAt(source: ByteSource, at: number, stop: number): Promise<Head | 'cut' | undefined> {
  const window = await readBytes(source, at, Math.min(20, stop - at));
  const unfinished = at + window.length === source.size ? 'cut' : undefined;
  const tagLength = varintLength(window, 0, window.length);
  if (tagLength === 0) return unfinished;
  const tag = varintValue(window, 0, tagLength);
  const [number, wire] = [Math.floor(tag / 8), tag % 8];
  if (!(number >= 1 && number < 2 ** 29)) return undefined;
  const begin = at + tagLength;
  if (wire === wireType.fixed32) return { number, wire, begin, end: begin + 4 };
  if (wire === wireType.fixed64) return { number, wire, begin, end: begin + 8 };
  if (wire !== varint && wire !== bytes) return undefined;
  const length = varintLength(window, tagLength, window.length);
  if (length === 0) return unfinished;
  const size = wire === bytes ? varintValue(window, tagLength, length) : 0;
  return size < 0 ? undefined : { number, wire, begin: begin + length, end: begin + length + size };
}
