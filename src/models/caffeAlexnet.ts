/**
 * Caffe's bvlc_alexnet (models/bvlc_alexnet/train_val.prototxt and solver.prototxt): the two-tower AlexNet as one net with
 * grouped convolutions, in the order convolution, ReLU, normalisation, pooling; 60,965,224 parameters and 724,406,816
 * multiply-adds an image.
 */
import { type FamilyOptions, makeModel } from './family.js';
import { caffeAlexnetPreset } from './imagenet.js';
import type { Model } from './model.js';

export type CaffeAlexnetOptions = FamilyOptions;

/** @throws ArgumentError for an unknown option or one out of range. */
export function caffeAlexnet(options: CaffeAlexnetOptions = {}): Model {
  return makeModel(caffeAlexnetPreset, options);
}
