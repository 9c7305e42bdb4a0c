/** What an epoch of training is: the order of its batches, and what is cut out of the images before they reach the device. */
import type { BatchOptions } from '../data/loader.js';
import type { Network } from '../engine/network.js';
import type { Model } from '../models/model.js';

/** Options of `batches`: whole batches in the order of the network's seed, resized crops where the model's augmentation has them. */
export function epochOf(
  { seed, model }: Network<Model>,
  where: Required<Pick<BatchOptions, 'batch' | 'epoch' | 'from'>>,
): BatchOptions {
  const parts = model.augmentation?.resizedCrop;
  const resizedCrop = parts && { ...parts, size: model.preprocessing.crop };
  return { ...where, seed, whole: true, resizedCrop };
}
