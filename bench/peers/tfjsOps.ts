/** Our ops in those of tfjs, as its users would write them: fused where it has them fused, channels last. */
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import type { LrnAttributes } from '../../src/ops/lrn.js';
import { MissingPeer } from '../implementation.js';

export type Tf = typeof import('@tensorflow/tfjs-core');

type Pair = readonly [number, number];
type Sides = readonly [top: number, left: number, bottom: number, right: number];

/** Attributes as they are in a graph, where none is left out. */
interface Activated {
  readonly activation: 'none' | 'relu';
}
interface Convolution extends Activated {
  readonly stride: Pair;
  readonly padding: Sides;
  readonly dilation: Pair;
  readonly groups: number;
}
interface Pooling {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Sides;
  readonly rounding: 'floor' | 'ceil';
}

type Ops = Readonly<Record<string, (attributes: never, inputs: readonly Tensor[]) => Tensor>>;

/** Throws a MissingPeer for attributes that tfjs does not know. */
function expect(known: boolean, what: string): void {
  if (!known) throw new MissingPeer(`tfjs-webgpu has no ${what}`);
}

function around([top, left, bottom, right]: Sides) {
  return [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ] as [[number, number], [number, number], [number, number], [number, number]];
}

export function opsOf(tf: Tf): Ops {
  const activation = (name: string) => (name === 'relu' ? ('relu' as const) : ('linear' as const));
  return {
    conv2d(a: Convolution, [x, filter, bias]: readonly Tensor[]) {
      expect(a.groups === 1, 'grouped convolution');
      return tf.fused.conv2d({
        x: x as Tensor4D,
        filter: filter as Tensor4D,
        bias,
        strides: [a.stride[0], a.stride[1]],
        dilations: [a.dilation[0], a.dilation[1]],
        pad: around(a.padding),
        activation: activation(a.activation),
      });
    },
    linear(a: Activated, [x, weight, bias]: readonly Tensor[]) {
      return tf.fused.matMul({
        a: x as Tensor2D,
        b: weight as Tensor2D,
        transposeB: true,
        bias,
        activation: activation(a.activation),
      });
    },
    relu(_: object, [x]: readonly Tensor[]) {
      return tf.relu(x);
    },
    maxPool(a: Pooling, [x]: readonly Tensor[]) {
      expect(a.rounding === 'floor' || a.padding.every((extent) => extent === 0), 'padded pooling that rounds up');
      const [size, stride] = [a.kernel, a.stride].map(([y, x]): [number, number] => [y, x]);
      const even = a.padding.every((extent) => extent === 0);
      if (!even) return tf.maxPool(x as Tensor4D, size, stride, around(a.padding));
      return tf.maxPool(x as Tensor4D, size, stride, 0, a.rounding);
    },
    adaptiveAvgPool(a: { readonly size: Pair }, [x]: readonly Tensor[]) {
      expect(x.shape[1] === a.size[0] && x.shape[2] === a.size[1], 'adaptive pooling that changes the size');
      return x;
    },
    lrn(a: LrnAttributes, [x]: readonly Tensor[]) {
      expect(a.groups === 1 && a.size % 2 === 1, 'normalisation by groups or over an even window');
      const alpha = a.alphaPer === 'element' ? a.alpha : a.alpha / a.size;
      return tf.localResponseNormalization(x as Tensor4D, (a.size - 1) / 2, a.k, alpha, a.beta);
    },
    reshape(a: { readonly shape: readonly number[] }, [x]: readonly Tensor[]) {
      const channelsFirst = x.rank === 4 ? tf.transpose(x, [0, 3, 1, 2]) : x;
      return tf.reshape(channelsFirst, [...a.shape]);
    },
    dropout(a: { readonly probability: number; readonly scaleAt: 'train' | 'test' }, [x]: readonly Tensor[]) {
      const dropped = tf.dropout(x, a.probability);
      return a.scaleAt === 'test' ? tf.mul(dropped, 1 - a.probability) : dropped;
    },
    crossEntropy(_: object, [logits, labels]: readonly Tensor[]) {
      const targets = tf.oneHot(labels as Tensor1D, logits.shape[1] as number);
      return tf.losses.softmaxCrossEntropy(targets, logits);
    },
  } satisfies Ops;
}
