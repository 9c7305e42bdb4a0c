/** The bounds of Winograd convolution: float32 evaluations stay within them, and what is left out exceeds them. */
import t from 'tap';
import {
  type Conv2dAttributes,
  conv2d,
  conv2dDataGradient,
  conv2dGeometry,
  conv2dWeightGradient,
} from '../src/ops/conv2d.js';
import { type Attributes, exactAccuracy, type Judged, type Op, type Tensor64 } from '../src/ops/define.js';
import type { WinogradName } from '../src/ops/lib/winograd.js';
import { deviation } from '../src/verify/compare.js';
import { caught, within } from './support/bounds.js';
import { random } from './support/tensors.js';
import { type Dropped, dataGradient32, forward32, weightGradient32 } from './support/winograd.js';

type Shape = readonly [number, number, number, number];

interface Example {
  readonly name: WinogradName;
  readonly x: Shape;
  readonly w: Shape;
  readonly given: Partial<Conv2dAttributes>;
}

const examples: readonly Example[] = [
  { name: 'winograd43', x: [2, 17, 9, 10], w: [3, 17, 3, 3], given: { padding: 1 } },
  { name: 'winograd53', x: [2, 17, 9, 11], w: [3, 17, 3, 3], given: { padding: [0, 1, 2, 0] } },
  { name: 'winograd45', x: [1, 18, 9, 10], w: [4, 9, 5, 5], given: { padding: 2, groups: 2 } },
  { name: 'winograd43', x: [1, 3, 35, 34], w: [3, 3, 11, 11], given: { stride: 4 } },
  { name: 'winograd53', x: [1, 6, 14, 15], w: [4, 3, 5, 6], given: { stride: 2, padding: 1, groups: 2 } },
];

/** The reference's values, with the bound of the algorithm. */
function judge<A extends Attributes>(op: Op<A>, name: string, inputs: readonly Tensor64[], given: Partial<A>): Judged {
  const attributes = op.attributes(given);
  const [bound] = op.bounds?.(name, attributes, inputs) ?? [];
  return { data: op.reference(attributes, inputs, exactAccuracy)[0].data, bound };
}

for (const { name, x: xShape, w: wShape, given } of examples) {
  const g = conv2dGeometry('conv2d', conv2d.attributes(given), xShape, wShape);
  for (const [kind, least, most] of [
    ['zero mean', 0, 1],
    ['equal magnitudes', 0.9, 1],
  ] as const) {
    const x = random(xShape, 1, least, most);
    const w = random(wShape, 2, least, most);
    const b = random([wShape[0]], 3);
    const dy = random([g.batch, g.outChannels, g.outHeight, g.outWidth], 4, least, most);
    const passes: (readonly [string, Judged, (dropped?: Dropped) => Float64Array])[] = [
      [
        'forward',
        judge(conv2d, name, [x, w, b], given),
        (dropped) => forward32(name, g, x.data, w.data, b.data, dropped),
      ],
      [
        'weight gradient',
        judge(conv2dWeightGradient, name, [dy, x], { ...given, kernelSize: wShape.slice(2) }),
        (dropped) => weightGradient32(name, g, dy.data, x.data, dropped),
      ],
    ];
    const dataGradient = (dropped?: Dropped): Float64Array => dataGradient32(name, g, dy.data, w.data, dropped);
    if (g.strideY === 1) {
      const attributes = { ...given, inputSize: xShape.slice(2) };
      passes.push(['data gradient', judge(conv2dDataGradient, name, [dy, w], attributes), dataGradient]);
    }
    for (const [pass, judged, run] of passes) {
      t.test(`${name} ${pass}, ${kind}, ${xShape.join('×')} ${wShape.join('×')}`, (t) => {
        within(t, judged, run(), 'float32');
        caught(
          t,
          judged,
          run((point, tile, channel) => point === 8 && tile === 1 && channel === 1),
          'a product left out',
        );
        caught(
          t,
          judged,
          run((point) => point === 8),
          'a point left out',
        );
        caught(
          t,
          judged,
          run((_, tile) => tile === 2),
          'a tile left out',
        );
        caught(
          t,
          judged,
          run((_, _tile, channel) => channel === 1),
          'a channel left out',
        );
        t.end();
      });
    }
  }
}

t.test('a NaN or an infinity is spread, not lost', (t) => {
  const given = { padding: 1 };
  const [x, w, dy] = [random([1, 3, 13, 13], 1), random([2, 3, 3, 3], 2), random([1, 2, 13, 13], 3)];
  x.data[40] = Number.NaN;
  x.data[300] = Number.POSITIVE_INFINITY;
  const g = conv2dGeometry('conv2d', conv2d.attributes(given), x.shape, w.shape);
  const forward = { ...judge(conv2d, 'winograd43', [x, w], given), spreads: true };
  t.ok(deviation(Float32Array.from(forward32('winograd43', g, x.data, w.data)), forward).ratio <= 1);
  t.ok(deviation(Float32Array.from(forward.data), forward).ratio <= 1, 'the plain formula, rounded, passes too');
  t.ok(forward.bound.filter(Number.isFinite).length > 100, 'over tiles only');
  const weights = { ...given, kernelSize: [3, 3] };
  const dw = { ...judge(conv2dWeightGradient, 'winograd53', [dy, x], weights), spreads: true };
  t.ok(deviation(Float32Array.from(weightGradient32('winograd53', g, dy.data, x.data)), dw).ratio <= 1);
  t.end();
});
