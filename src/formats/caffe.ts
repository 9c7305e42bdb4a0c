/**
 * Weights of Caffe (caffe.proto of github.com/BVLC/caffe): `.caffemodel` files are a NetParameter whose layers hold blobs, with layer
 * messages of three generations; `mean.binaryproto` is one blob.
 */
import { FileError } from '../errors.js';
import { elements, formatShape } from '../ops/define.js';
import { type ByteSource, openSource } from './byteSource.js';
import { countFloats, locatedFloats } from './protobufData.js';
import { type Message, type ProtobufSchema, readMessage } from './protobufMessage.js';
import { countElements } from './shapes.js';
import { type StoredTensor, type TensorFile, tensorFile } from './tensorFile.js';

const messages = {
  NetParameter: {
    name: ['string', 1],
    layers: ['*V1LayerParameter', 2],
    layer: ['*LayerParameter', 100],
  },
  LayerParameter: { name: ['string', 1], blobs: ['*BlobProto', 7] },
  V1LayerParameter: { layer: ['V0LayerParameter', 1], name: ['string', 4], blobs: ['*BlobProto', 6] },
  V0LayerParameter: { name: ['string', 1], blobs: ['*BlobProto', 50] },
  BlobProto: {
    num: ['int64', 1],
    channels: ['int64', 2],
    height: ['int64', 3],
    width: ['int64', 4],
    data: ['@*float', 5],
    shape: ['BlobShape', 7],
    doubleData: ['@*double', 8],
  },
  BlobShape: { dim: ['*int64', 1] },
} as const satisfies ProtobufSchema;

type BlobProto = Message<typeof messages, 'BlobProto'>;

/**
 * Finds the blobs of a `.caffemodel`: tensor 'conv1/0' is the first blob of layer conv1, its weights, 'conv1/1' the second, its bias.
 * Shapes are those of the file: an old one has four extents for each blob, such as [1, 1, 4096, 9216] for a matrix. Metadata has the
 * net's name, where it has one.
 *
 * @throws FileError naming the byte and the field for what is no NetParameter, or holds no blob
 */
export async function readCaffemodel(source: ByteSource): Promise<TensorFile> {
  const net = await readMessage(source, messages, 'NetParameter');
  const { label } = source;
  const tensors = new Map<string, StoredTensor>();
  const layers = [...net.layers.map((layer) => layer.layer ?? layer), ...net.layer];
  for (const { name = '', blobs } of layers) {
    for (const [i, blob] of blobs.entries()) {
      const tensor = `${name}/${i}`;
      if (tensors.has(tensor)) throw new FileError(`${label} has two layers '${name}' with blobs`);
      tensors.set(tensor, storedBlob(source, blob, `blob '${tensor}'`));
    }
  }
  if (tensors.size === 0) throw new FileError(`${label} is no caffemodel with weights: none of its layers has blobs`);
  return tensorFile(source, tensors, net.name ? { name: net.name } : {});
}

export interface MeanImage {
  /** Channels, height, width. */
  readonly shape: readonly [number, number, number];
  /** Row-major; channels in the order that the net was trained with: blue, green, red for Caffe's own. */
  readonly data: Float32Array;
}

/**
 * Reads a mean image such as Caffe's `mean.binaryproto`.
 *
 * @param file a path; in a page a Blob
 * @throws FileError for what is no blob of C×H×W or 1×C×H×W
 */
export async function openMeanImage(file: string | Blob): Promise<MeanImage> {
  const source = await openSource(file);
  try {
    return await readMeanImage(source);
  } finally {
    await source.close();
  }
}

/** The same for a source, which stays open. */
export async function readMeanImage(source: ByteSource): Promise<MeanImage> {
  const blob = await readMessage(source, messages, 'BlobProto');
  const { shape: whole, load } = storedBlob(source, blob, 'the blob');
  const [channels, height, width, more] = whole.length === 4 && whole[0] === 1 ? whole.slice(1) : whole;
  const count = elements(whole);
  if (whole.length < 3 || more !== undefined || count === 0) {
    throw new FileError(
      `${source.label} has a blob ${formatShape(whole)}, expected a mean image [1, C, H, W] or [C, H, W]`,
    );
  }
  const data = new Float32Array(count);
  await load(data, 0);
  return { shape: [channels, height, width], data };
}

function storedBlob(source: ByteSource, blob: BlobProto, name: string): Required<StoredTensor> {
  const where = `${source.label}: ${name} at byte ${blob.offset}`;
  const shape = shapeOf(blob);
  const count = countElements(shape, Number.MAX_SAFE_INTEGER, (what) => new FileError(`${where}: ${what}`));
  const [places, dtype] =
    blob.doubleData.length > 0 ? ([blob.doubleData, 'F64'] as const) : ([blob.data, 'F32'] as const);
  const found = countFloats(places, dtype);
  if (found !== count) {
    throw new FileError(`${where} has ${found} numbers, its shape ${formatShape(shape)} needs ${count}`);
  }
  return { shape, dtype, load: locatedFloats(source, places, dtype) };
}

/** Caffe takes the four old extents where there is one of them. */
function shapeOf({ num, channels, height, width, shape }: BlobProto): readonly number[] {
  const legacy = [num, channels, height, width];
  if (legacy.every((extent) => extent === undefined)) return shape?.dim ?? [];
  return legacy.map((extent) => extent ?? 0);
}
