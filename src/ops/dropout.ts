/**
 * Dropout (Srivastava et al. 2014): an element is zeroed with the given probability; the others are multiplied by
 * 1/(1 − probability) (inverted dropout, scaled while training), or kept as they are, and it is the reader at test who multiplies
 * by 1 − probability (the original form, Hinton et al. 2012; see the op `scale`).
 *
 * Word i of a Philox4x32-10 stream decides element i (row-major): with `random` = [seedLo, seedHi, stepLo, stepHi], it is
 * word i mod 4 of philox(counter = (⌊i/4⌋, stream, stepLo, stepHi), key = (seedLo, seedHi)), and the element is kept when the
 * word, unsigned, is below ⌊(1 − probability)·2³²⌋. The gradient is the same op on dy: the mask is drawn again, not stored.
 */
import { GraphError } from '../errors.js';
import {
  bytesTouched,
  defineOp,
  elements,
  expectInputs,
  expectRank,
  expectShape,
  f32,
  integerAttribute,
  numberAttribute,
  type Op,
  wordAttribute,
} from './define.js';
import { philox4x32 } from './lib/philox.js';
import { roundingError } from './lib/sums.js';

export type DropoutAttributes = {
  /** Of an element to be dropped, from 0 up to but without 1. */
  readonly probability: number;
  /** Tells the dropout layers of one network apart: each needs a stream of its own. */
  readonly stream: number;
  /** 'train' multiplies what is kept by 1/(1 − probability); 'test' leaves the scaling to inference. */
  readonly scaleAt: 'train' | 'test';
};

/** A random word below this keeps its element. For probability 0 it is 2³²: everything is kept. */
export function keepThreshold(probability: number): number {
  return Math.floor((1 - probability) * 2 ** 32);
}

/** The factor on kept elements: 1/(1 − probability), rounded to float32 once, or 1 when inference does the scaling. */
export function keepScale(probability: number, scaleAt: DropoutAttributes['scaleAt'] = 'train'): number {
  return scaleAt === 'test' ? 1 : Math.fround(1 / (1 - probability));
}

/** x of any shape, random i32 [4] → x's shape. A dropped element is 0 whatever it was. */
export const dropout: Op<DropoutAttributes> = defineOp<DropoutAttributes>({
  name: 'dropout',
  family: 'dropout',
  inPlace: [[0, 0]],

  attributes(given) {
    const probability = numberAttribute('dropout', 'probability', given.probability ?? 0.5, 0, 1);
    if (probability === 1) throw new GraphError('dropout: probability must be less than 1, got 1');
    return {
      probability,
      stream: integerAttribute('dropout', 'stream', given.stream ?? 0, 0),
      scaleAt: wordAttribute('dropout', 'scaleAt', given.scaleAt ?? 'train', ['train', 'test']),
    };
  },

  infer(_, inputs) {
    expectInputs('dropout', inputs, 2);
    const [x, random] = inputs;
    expectShape('dropout', 'x', x, x.shape);
    expectRank('dropout', 'random', random, 1, 'i32');
    if (random.shape[0] !== 4) {
      throw new GraphError(`dropout: random must be i32 [4] (seed and step, two words each), got [${random.shape[0]}]`);
    }
    return [f32(...x.shape)];
  },

  cost: (_, inputs, outputs) => ({ macs: 0, flops: elements(inputs[0].shape), bytes: bytesTouched(inputs, outputs) }),

  /** The mask is exact; a kept element carries the one rounding of the multiplication, if there is one. */
  reference({ probability, stream, scaleAt }, [x, random]) {
    const [seedLo, seedHi, stepLo, stepHi] = random.data;
    const threshold = keepThreshold(probability);
    const scale = keepScale(probability, scaleAt);
    const words = new Uint32Array(4);
    const data = new Float64Array(x.data.length);
    const bound = new Float64Array(x.data.length);
    for (let i = 0; i < data.length; i++) {
      if (i % 4 === 0) philox4x32([i / 4, stream, stepLo, stepHi], [seedLo, seedHi], words);
      if (words[i % 4] >= threshold) continue;
      data[i] = x.data[i] * scale;
      bound[i] = scale === 1 ? 0 : roundingError(data[i]);
    }
    return [{ data, bound }];
  },

  gradient({ attributes: given, inputs: [, random], outputGradients: [dy], wanted, emit }) {
    return [dy && wanted[0] ? emit(dropout, [dy, random], given)[0] : undefined, undefined];
  },
});
