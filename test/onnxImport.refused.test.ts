/** What the import refuses, and by which words; and the one op that onnxruntime does not have in full. */
import t from 'tap';
import { elements } from '../src/ops/define.js';
import { float, OnnxBuilder } from './support/onnxBuilder.js';
import { bothEngines, feedsFor, runImported } from './support/onnxConformance.js';
import { conv, gemm, type Make, one } from './support/onnxNodes.js';

/** onnxruntime has no windows of even size; the specification's sum is over channels c − ⌊(size − 1)/2⌋ … c + ⌈(size − 1)/2⌉. */
t.test('LRN of even size, as the specification has it', async (t) => {
  const model = new OnnxBuilder(13);
  one('LRN', [1, 6, 2, 2], { size: 4, alpha: float(2), beta: float(0.5), bias: float(1) })(model);
  const feeds = feedsFor(model);
  const { data, shape } = feeds.x;
  const at = (channel: number, place: number) => data[channel * 4 + place];
  const wanted = Array.from({ length: elements(shape) }, (_, i) => {
    const [channel, place] = [Math.floor(i / 4), i % 4];
    let squares = 0;
    for (let c = Math.max(0, channel - 1); c <= Math.min(5, channel + 2); c++) squares += at(c, place) ** 2;
    return data[i] / Math.sqrt(1 + (2 / 4) * squares);
  });
  for (const engine of await bothEngines(t)) {
    const { y } = await runImported(engine, await model.bytes(), feeds);
    for (const [i, value] of wanted.entries()) t.ok(Math.abs(y.data[i] - value) < 1e-5, `element ${i}`);
  }
});

type Refused = readonly [name: string, opset: number, make: Make, message: RegExp];

const refused: readonly Refused[] = [
  [
    'an op that is not there',
    13,
    one('Elu', [2, 3]),
    /node 'y' \(Elu\): there is no such op here; those .* are Conv, /,
  ],
  [
    'an op of another domain',
    13,
    (m) => m.output(m.node('Relu', [m.input('x', 2, 3)], 'y', {}, { domain: 'com.example' })),
    /node 'y' \(Relu\) is of domain 'com\.example'/,
  ],
  ['an opset that is too old', 6, one('Relu', [2, 3]), /is of opset 6, expected 7 or newer/],
  [
    'an attribute that is not known',
    13,
    one('Relu', [2, 3], { slope: 1 }),
    /\(Relu\): attribute 'slope' is not known in opset 13/,
  ],
  [
    'an attribute of another kind',
    13,
    one('LeakyRelu', [2, 3], { alpha: 'x' }),
    /attribute 'alpha' must be a number, got "x"/,
  ],
  ['an attribute that is missing', 13, one('LRN', [2, 3, 4, 4]), /attribute 'size' must be a number, got none/],
  [
    'Conv in one dimension',
    13,
    conv([1, 2, 8], [3, 2, 4], {}),
    /node 'y' \(Conv\): input 1 must be \[N, C, H, W\], got 3 dimensions/,
  ],
  [
    'a kernel of another shape',
    13,
    conv([1, 2, 8, 8], [3, 2, 4, 4], { kernel_shape: [3, 3] }),
    /attribute 'kernel_shape' is \[3, 3\], the weight is \[3, 2, 4, 4\]/,
  ],
  [
    'channels that do not fit',
    13,
    conv([1, 3, 8, 8], [3, 2, 4, 4], {}),
    /node 'y' \(Conv\): conv2d: the weight expects 2 input channels/,
  ],
  [
    'auto_pad',
    13,
    conv([1, 2, 8, 8], [3, 2, 4, 4], { auto_pad: 'SAME' }),
    /attribute 'auto_pad' must be one of NOTSET, VALID, .* got "SAME"/,
  ],
  [
    'auto_pad and pads',
    13,
    conv([1, 2, 8, 8], [3, 2, 4, 4], { auto_pad: 'VALID', pads: [1, 1, 1, 1] }),
    /attribute 'pads' is \[1, 1, 1, 1\] beside 'auto_pad' VALID/,
  ],
  [
    'pads of one number',
    13,
    conv([1, 2, 8, 8], [3, 2, 4, 4], { pads: [1] }),
    /attribute 'pads' must have 4 integers, got \[1\]/,
  ],
  [
    'dilated pooling',
    12,
    one('MaxPool', [1, 2, 8, 8], { kernel_shape: [2, 2], dilations: [2, 1] }),
    /\(MaxPool\): attribute 'dilations' is \[2, 1\]/,
  ],
  [
    'indices that are read',
    12,
    (m) => {
      m.node('MaxPool', [m.input('x', 1, 2, 4, 4)], ['y', 'places'], { kernel_shape: [2, 2] });
      m.output(m.node('Identity', ['places'], 'z'));
    },
    /node 'z' \(Identity\): input 1 is output 2 of node 'y' \(MaxPool\), which is not computed/,
  ],
  [
    'a bias of one number',
    13,
    gemm({}, [1]),
    /node 'y' \(Gemm\): input 3 must have 4 elements \(a bias\) or be \[2, 4\], got \[1\]/,
  ],
  [
    'a sum that broadcasts',
    13,
    (m) => m.output(m.node('Add', [m.input('x', 2, 3, 4, 4), m.weight('b', [3, 1, 1])], 'y')),
    /node 'y' \(Add\): \[2, 3, 4, 4\] and \[3, 1, 1\] must be of one shape/,
  ],
  [
    'a shape that is computed',
    13,
    (m) => m.output(m.node('Reshape', [m.input('x', 2, 3), m.input('shape', 2)], 'y')),
    /node 'y' \(Reshape\): input 2 must be known before the network runs/,
  ],
  [
    'Softmax along channels',
    13,
    one('Softmax', [2, 3, 4, 4], { axis: 1 }),
    /attribute 'axis' is 1 of \[2, 3, 4, 4\]: only the last/,
  ],
  ['an axis that is none', 13, one('Flatten', [2, 3], { axis: 3 }), /axis 3 is not one of 2 dimensions/],
  [
    'BatchNormalization in training',
    14,
    (m) => {
      const channel = ['a', 'b', 'c', 'd'].map((name) => m.weight(name, [3]));
      m.output(m.node('BatchNormalization', [m.input('x', 2, 3), ...channel], 'y', { training_mode: 1 }));
    },
    /attribute 'training_mode' must be 0/,
  ],
  ['a cast to integers', 13, one('Cast', [2, 3], { to: 7 }), /attribute 'to' is 7/],
  [
    'an input that nobody computes',
    13,
    (m) => m.input('x', 2, 3) && m.output(m.node('Relu', ['nothing'], 'y')),
    /node 'y' \(Relu\): 'nothing' is computed by no node before it/,
  ],
  [
    'a name that is computed twice',
    13,
    (m) => m.output(m.node('Relu', [m.node('Relu', [m.input('x', 2, 3)], 'y')], 'y')),
    /node 'y 1' \(Relu\): 'y' is computed twice/,
  ],
  [
    'one weight both ways',
    13,
    (m) => {
      const h = m.node('Gemm', [m.input('x', 2, 3), m.weight('w', [3, 3])], 'h');
      m.output(m.node('Gemm', [h, 'w'], 'y', { transB: 1 }));
    },
    /node 'y' \(Gemm\): tensor 'w' is used both as it is and transposed/,
  ],
];

/** Small files that would take much time or memory if they were believed. */
const harmful: readonly Refused[] = [
  [
    'integers that double',
    13,
    (m) => {
      m.integers('n0', 1, 2);
      for (let i = 0; i < 60; i++) m.node('Concat', [`n${i}`, `n${i}`], `n${i + 1}`, { axis: 0 });
      m.output(m.node('Reshape', [m.input('x', 2, 3), 'n60'], 'y'));
    },
    /node 'n10' \(Concat\): 2048 integers are more than 1024/,
  ],
  [
    'dimensions without end',
    11,
    (m) => {
      m.input('v0', 2, 3);
      const axes = Array.from({ length: 9 }, (_, i) => i);
      m.output(m.node('Unsqueeze', ['v0'], 'y', { axes }));
    },
    /node 'y' \(Unsqueeze\): 11 dimensions are more than 8/,
  ],
  [
    'pieces without number',
    18,
    one('Split', [2, 3], { axis: 1, num_outputs: 2 ** 31 }),
    /cannot be cut along axis 1 into 1 outputs/,
  ],
  [
    'nodes without end, all of one name',
    13,
    (m) => {
      let x = m.input('x', 2, 3);
      for (let i = 0; i < 16_384; i++) x = m.node('Relu', [x], `y${i}`, {}, { name: 'same' });
      m.output(m.node('Elu', [x], 'y', {}, { name: 'same' }));
    },
    /has 16385 nodes, at most 16384 are imported/,
  ],
];

t.test('what has no counterpart is refused by name', async (t) => {
  const [engine] = await bothEngines(t);
  for (const [name, opset, make, message] of [...refused, ...harmful]) {
    const model = new OnnxBuilder(opset);
    make(model);
    const run = runImported(engine, await model.bytes(), feedsFor(model));
    await t.rejects(run, { name: 'FileError', message }, name);
  }
});
