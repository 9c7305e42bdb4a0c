/** The cross-checker must catch every planted fault: each is what a kernel with that bug would give. */
import t from 'tap';
import type { Backend } from '../src/backends/backend.js';
import { openBackend } from '../src/backends/open.js';
import { type Attributes, type AttributeValue, exactAccuracy, type Tensor64 } from '../src/ops/define.js';
import { type LrnAttributes, lrn } from '../src/ops/lrn.js';
import { type VerifyResult, verify } from '../src/verify/verify.js';
import { type Fault, FaultyBackend, type Spoiled } from './support/faultyBackend.js';

/** Backends to plant faults in. */
const backends: readonly { readonly label: string; open(): Promise<Backend> }[] = [
  { label: 'reference', open: () => openBackend({ backend: 'reference' }) },
  { label: 'wasm', open: () => openBackend({ backend: 'wasm', threads: 1 }) },
];

const ops = [
  'conv2d',
  'linear',
  'lrn',
  'lrnWithin',
  'local2d',
  'matMul',
  'convTranspose2d',
  'maxPool',
  'avgPool',
  'adaptiveAvgPool',
  'relu',
  'leakyRelu',
  'clip',
  'tanh',
  'sigmoid',
  'scale',
  'batchNorm',
  'concat',
  'split',
  'dropout',
  'softmax',
  'logSoftmax',
  'crossEntropy',
  'meanSquaredError',
  'reshape',
  'add',
  'accumulate',
  'sgd',
  'adam',
  'augment',
];

/** Visits what a loop over whole vectors of four leaves over at the end of each row of the output. */
function eachTail({ type, output }: Spoiled, visit: (i: number) => void): void {
  const width = type.shape[type.shape.length - 1];
  const whole = width - (width % 4);
  for (let row = 0; row < output.length; row += width) {
    for (let i = row + whole; i < row + width; i++) visit(i);
  }
}

function zeroTail(spoiled: Spoiled): void {
  eachTail(spoiled, (i) => {
    spoiled.output[i] = 0;
  });
}

function staleTail(spoiled: Spoiled): void {
  eachTail(spoiled, (i) => {
    spoiled.output[i] = spoiled.previous[i];
  });
}

function staleStart({ output, previous }: Spoiled): void {
  output.set(previous.subarray(0, Math.ceil(output.length / 8)));
}

/** dx = A − B with A = dy·s^(−β) = dy·y/x; the wrong sign gives A + B = 2A − dx. */
function turnSign({ node, output, inputs: [dy, x], type }: Spoiled): void {
  const tensor: Tensor64 = { ...type, data: Float64Array.from(x) };
  const [{ data: y }] = lrn.reference(node.attributes as LrnAttributes, [tensor], exactAccuracy);
  for (let i = 0; i < output.length; i++) output[i] = (2 * dy[i] * y[i]) / x[i] - output[i];
}

/** The last of the 387,200 products of the first weight's gradient is left out: batch 128 of 55×55 pixels, one channel, 1×1 kernel. */
function dropLastProduct({ node, output, inputs: [dy, x] }: Spoiled): void {
  const pixels = 55 * 55;
  if (x.length !== 128 * pixels || String(node.attributes.kernelSize) !== '1,1') return;
  const channels = dy.length / x.length;
  output[0] -= dy[127 * channels * pixels + pixels - 1] * x[x.length - 1];
}

function swallowNaN({ output }: Spoiled): void {
  output.forEach((value, i) => {
    if (Number.isNaN(value)) output[i] = 0;
  });
}

/** Moves the image by one row within its padding; the shapes stay. */
function shiftPadding(given: Attributes): Attributes {
  const [top, left, bottom, right] = given.padding as readonly number[];
  if (bottom > 0) return { ...given, padding: [top + 1, left, bottom - 1, right] };
  return top > 0 ? { ...given, padding: [top - 1, left, bottom + 1, right] } : given;
}

function swap(name: string, a: AttributeValue, b: AttributeValue): (given: Attributes) => Attributes {
  return (given) => ({ ...given, [name]: given[name] === a ? b : a });
}

const faults: readonly Fault[] = [
  {
    name: 'the gradient of lrn with the wrong sign',
    op: 'lrn',
    node: 'lrnGradient',
    spoil: turnSign,
    caughtBy: /large/,
  },
  ...['lrn', 'lrnGradient'].map((node) => ({
    name: `${node} divides alpha by the window when it should not, and the other way round`,
    op: 'lrn',
    node,
    rewrite: swap('alphaPer', 'window', 'element'),
  })),
  ...ops.map((op) => ({ name: `${op} skips the tail of a row, which stays 0`, op, spoil: zeroTail })),
  ...ops.map((op) => ({ name: `${op} skips the tail of a row, which stays as it was`, op, spoil: staleTail })),
  ...ops.map((op) => ({ name: `${op} leaves a part of its buffer stale`, op, spoil: staleStart })),
  ...['conv2d', 'local2d'].flatMap((op) =>
    [op, `${op}DataGradient`, `${op}WeightGradient`].map((node) => ({
      name: `${node} is off by one row in the padding`,
      op,
      node,
      rewrite: shiftPadding,
    })),
  ),
  {
    name: 'one product is dropped from the longest sum',
    op: 'conv2d',
    node: 'conv2dWeightGradient',
    spoil: dropLastProduct,
    caughtBy: /integers/,
  },
  { name: 'relu swallows NaN', op: 'relu', node: 'relu', spoil: swallowNaN },
  { name: 'maxPool swallows NaN', op: 'maxPool', node: 'maxPool', spoil: swallowNaN },
  {
    name: 'maxPool drops the last window of ceil',
    op: 'maxPool',
    node: 'maxPool',
    rewrite: swap('rounding', 'ceil', 'floor'),
  },
  {
    name: 'maxPool gives ties to the first when it should give to all, and the other way round',
    op: 'maxPool',
    node: 'maxPoolGradient',
    rewrite: swap('ties', 'first', 'all'),
    caughtBy: /ties/,
  },
  ...['lrn', 'lrnGradient'].flatMap((node) => [
    {
      name: `${node} leans its even windows the other way`,
      op: 'lrn',
      node,
      rewrite: swap('evenWindow', 'torch', 'onnx'),
    },
    {
      name: `${node} lets windows cross groups`,
      op: 'lrn',
      node,
      rewrite: (given: Attributes) => ({ ...given, groups: 1 }),
    },
  ]),
  ...['lrnWithin', 'lrnWithinGradient'].map((node) => ({
    name: `${node} divides alpha by the window when it should not, and the other way round`,
    op: 'lrnWithin',
    node,
    rewrite: swap('alphaPer', 'window', 'element'),
  })),
  ...['avgPool', 'avgPoolGradient'].map((node) => ({
    name: `${node} counts the padding when it should not, and the other way round`,
    op: 'avgPool',
    node,
    rewrite: swap('count', 'inside', 'all'),
  })),
  {
    name: 'dropout draws from another stream',
    op: 'dropout',
    rewrite: (given) => ({ ...given, stream: Number(given.stream) + 1 }),
  },
  {
    name: 'augment draws from another stream',
    op: 'augment',
    rewrite: (given) => ({ ...given, stream: Number(given.stream) ^ 1 }),
  },
  {
    name: 'augment makes its noise a little too strong',
    op: 'augment',
    rewrite: (given) => ({ ...given, noise: Number(given.noise) * 1.001 }),
  },
  {
    name: 'augment takes the mean image from elsewhere',
    op: 'augment',
    rewrite: swap('meanImage', 'crop', 'centre'),
    caughtBy: /meanImage=/,
  },
  { name: 'augment fills with something else', op: 'augment', rewrite: swap('fill', 'zero', 'edge') },
  { name: 'augment mixes up the channels', op: 'augment', rewrite: swap('reverseChannels', false, true) },
  {
    name: 'augment draws again for each image',
    op: 'augment',
    rewrite: swap('sharedBy', 3, 1),
    caughtBy: /sharedBy=3/,
  },
  { name: 'dropout scales at the other time', op: 'dropout', rewrite: swap('scaleAt', 'train', 'test') },
  ...['leakyRelu', 'leakyReluGradient'].map((node) => ({
    name: `${node} has no slope`,
    op: 'leakyRelu',
    node,
    rewrite: (given: Attributes) => ({ ...given, slope: 0 }),
    caughtBy: /slope=0\.1/,
  })),
  ...['clip', 'clipGradient'].map((node) => ({
    name: `${node} has no lower limit`,
    op: 'clip',
    node,
    rewrite: (given: Attributes) => ({ ...given, min: -1e30 }),
    caughtBy: /min=-0\.5/,
  })),
  {
    name: 'the gradient of clip leaves out the ends of the interval',
    op: 'clip',
    node: 'clipGradient',
    rewrite: ({ min, max }) => ({ min: Number(min) + 0.5, max: Number(max) - 0.5 }),
    caughtBy: /min=-1 max=1 \(ties\)/,
  },
  ...['tanh', 'tanhGradient'].flatMap((node) =>
    (['a', 'b'] as const).map((factor) => ({
      name: `${node} leaves out ${factor}`,
      op: 'tanh',
      node,
      rewrite: (given: Attributes) => ({ ...given, [factor]: 1 }),
    })),
  ),
  ...['batchNorm', 'batchNormDataGradient', 'batchNormScaleGradient'].map((node) => ({
    name: `${node} leaves out epsilon`,
    op: 'batchNorm',
    node,
    rewrite: (given: Attributes) => ({ ...given, epsilon: 0 }),
  })),
  {
    name: 'crossEntropy takes the probabilities of the next class',
    op: 'crossEntropy',
    node: 'crossEntropyGradient',
    spoil: ({ output }) => output.set(output.slice(1), 0),
    caughtBy: /soft/,
  },
  {
    name: 'adam does not decay the weights',
    op: 'adam',
    rewrite: (given) => ({ ...given, weightDecay: 0 }),
    caughtBy: /weightDecay/,
  },
  ...(['beta1', 'beta2'] as const).map((beta) => ({
    name: `adam has another ${beta}`,
    op: 'adam',
    rewrite: (given: Attributes) => ({ ...given, [beta]: Number(given[beta]) + 1e-4 }),
  })),
  { name: 'adam leaves out epsilon', op: 'adam', rewrite: (given) => ({ ...given, epsilon: 0 }), caughtBy: /epsilon/ },
  {
    name: 'accumulate leaves out the sum so far',
    op: 'accumulate',
    spoil: ({ output, inputs }) => output.set(inputs[inputs.length - 2]),
    caughtBy: /adds/,
  },
  {
    name: 'accumulate never begins anew',
    op: 'accumulate',
    spoil: ({ output, inputs: [sum, x] }) => output.forEach((_, i) => (output[i] = sum[i] + x[i])),
    caughtBy: /begins.*nonFinite/,
  },
  { name: 'sgd follows another rule', op: 'sgd', rewrite: swap('rule', 'caffe', 'torch') },
];

/** The first result that failed, if any, of a case that has to catch the fault; the rest is then left out. */
async function firstFailure(backend: Backend, { op, caughtBy }: Fault): Promise<VerifyResult | undefined> {
  const found = new AbortController();
  let failure: VerifyResult | undefined;
  const run = verify({
    backends: [{ label: 'faulty', backend }],
    quick: true,
    op,
    signal: found.signal,
    onResult: (result) => {
      if (result.status === 'passed' || (caughtBy && !caughtBy.test(result.case))) return;
      failure ??= result;
      found.abort();
    },
  });
  await run.catch((error) => {
    if (!found.signal.aborted) throw error;
  });
  return failure;
}

t.setTimeout(300_000);

for (const { label, open } of backends) {
  t.test(`faults planted in ${label}`, async (t) => {
    const backend = await open();
    t.teardown(() => backend.close());
    for (const fault of faults) {
      const failure = await firstFailure(new FaultyBackend(backend, fault), fault);
      t.ok(failure, `${fault.name}: ${failure?.case} ${failure?.quantity}, error ÷ bound ${failure?.ratio}`);
    }
  });

  t.test(`the same wrapper without a fault in ${label}`, async (t) => {
    const backend = await open();
    t.teardown(() => backend.close());
    for (const op of ['lrn', 'softmax', 'sgd']) {
      const none = { name: 'none', op };
      t.equal(await firstFailure(new FaultyBackend(backend, none), none), undefined, `${op} passes`);
    }
  });
}
