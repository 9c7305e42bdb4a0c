/** Batches of an epoch, read ahead of the step that uses them. */
import { ArgumentError, InputError } from '../errors.js';
import { elements } from '../ops/define.js';
import type { Dataset } from './dataset.js';
import { checkWhole, permutation } from './permutation.js';
import { drawPart, placeInCentre, type ResizedCrop, resizePart } from './resizedCrop.js';

/** Images with their labels. The arrays are filled anew later: they hold until the next batch but one is asked for. */
export interface ImageBatch {
  /** [N, C, H, W] */
  readonly images: Uint8Array;
  readonly labels: Int32Array;
  /** Places in the dataset. */
  readonly indices: Int32Array;
}

export interface BatchOptions {
  /** Images in a batch. */
  readonly batch: number;
  /** With `epoch`, says the order; 0 by default. */
  readonly seed?: number;
  /** From 0; each has an order of its own. */
  readonly epoch?: number;
  /** By default; without it images come as they lie. */
  readonly shuffle?: boolean;
  /** The first batch that is wanted, 0 by default: an epoch goes on where it was left. */
  readonly from?: number;
  /** Leaves out the last images when they do not fill a batch. */
  readonly whole?: boolean;
  /** The centres of the images, [size, size], are parts of the stored ones, resized. They are drawn from (seed, epoch, place in the dataset). */
  readonly resizedCrop?: ResizedCrop;
  readonly signal?: AbortSignal;
}

/** One batch is in use, one is asked for, one is being read. */
const buffersInUse = 3;

/** How many batches an epoch has. */
export function batchesPerEpoch(images: number, batch: number, whole = false): number {
  return whole ? Math.floor(images / batch) : Math.ceil(images / batch);
}

/** The order of an epoch: places in the dataset. It depends on seed, epoch and the number of images only. */
export function epochOrder(images: number, seed: number, epoch: number): Int32Array {
  return permutation(images, 'order of an epoch', seed, epoch);
}

/**
 * One epoch in batches; the next batch is read while the caller works. The order is drawn from (seed, epoch) by Philox, so that it is the
 * same everywhere and batch `from` can be had without those before it.
 *
 * @throws ArgumentError for options that cannot be; InputError for a dataset without images, or with fewer than a whole batch; what
 * reading throws; the signal's reason when it is aborted. All of it when the first batch is asked for, or the one that fails.
 */
export async function* batches(dataset: Dataset, options: BatchOptions): AsyncGenerator<ImageBatch> {
  const { batch, seed = 0, epoch = 0, shuffle = true, from = 0, whole = false, resizedCrop, signal } = options;
  checkWhole('batch', batch, 1);
  checkWhole('from', from);
  const images = dataset.labels.length;
  if (images === 0) throw new InputError(`${dataset.name} has no images`);
  if (whole && images < batch) {
    throw new InputError(`${dataset.name} has ${images} images, expected at least the ${batch} of one whole batch`);
  }
  const count = batchesPerEpoch(images, batch, whole);
  if (from > count) throw new ArgumentError(`from must be at most the ${count} batches of an epoch, got ${from}`);
  const order = shuffle ? epochOrder(images, seed, epoch) : Int32Array.from({ length: images }, (_, i) => i);
  const size = elements(dataset.shape);
  const [channels, height, width] = dataset.shape;
  if (resizedCrop && resizedCrop.size > Math.min(height, width)) {
    throw new ArgumentError(
      `${dataset.name}: crops of ${resizedCrop.size}×${resizedCrop.size} do not fit into images of ${height}×${width}`,
    );
  }
  const buffers: Uint8Array[] = [];
  let uncut: Uint8Array | undefined;
  const resized = new Uint8Array(resizedCrop ? channels * resizedCrop.size ** 2 : 0);

  const read = async (number: number): Promise<ImageBatch> => {
    signal?.throwIfAborted();
    const indices = order.slice(number * batch, Math.min((number + 1) * batch, images));
    const slot = number % buffersInUse;
    buffers[slot] ??= new Uint8Array(Math.min(batch, images) * size);
    const into = buffers[slot].subarray(0, indices.length * size);
    if (resizedCrop) {
      uncut ??= new Uint8Array(Math.min(batch, images) * size);
      await dataset.read(indices, uncut.subarray(0, indices.length * size));
      for (const [n, index] of indices.entries()) {
        const part = drawPart(resizedCrop, [height, width], seed, epoch, index);
        const image = n * size;
        resizePart(uncut.subarray(image, image + size), dataset.shape, part, resizedCrop.size, resized);
        placeInCentre(resized, resizedCrop.size, dataset.shape, into.subarray(image, image + size));
      }
    } else {
      await dataset.read(indices, into);
    }
    return { images: into, labels: indices.map((index) => dataset.labels[index]), indices };
  };

  let ahead = from < count ? read(from) : undefined;
  try {
    for (let number = from; number < count; number++) {
      const current = await ahead;
      ahead = number + 1 < count ? read(number + 1) : undefined;
      // A failure is thrown when its batch is asked for, not while the caller works on the one before.
      ahead?.catch(() => undefined);
      signal?.throwIfAborted();
      if (current) yield current;
    }
  } finally {
    // Nothing is read any more once the caller has left: it may close the dataset.
    await ahead?.catch(() => undefined);
  }
}
