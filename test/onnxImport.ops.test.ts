/** Every op that is imported, with its attributes in all forms that opsets have for them, beside onnxruntime. */
import t from 'tap';
import { float, floats, OnnxBuilder, tensor } from './support/onnxBuilder.js';
import { bothEngines, compare } from './support/onnxConformance.js';
import { conv, gemm, type Make, one } from './support/onnxNodes.js';

type Case = readonly [name: string, opsets: readonly number[], make: Make, limit?: number];

const autoPads = ['SAME_UPPER', 'SAME_LOWER', 'VALID'] as const;

const cases: readonly Case[] = [
  ['Conv plain', [7, 11, 22], conv([2, 3, 7, 6], [4, 3, 3, 2], {})],
  ['Conv without bias', [7], conv([2, 3, 7, 6], [4, 3, 3, 2], { kernel_shape: [3, 2] }, { bias: false })],
  [
    'Conv with everything',
    [7, 22],
    conv([2, 4, 13, 11], [6, 2, 3, 2], { strides: [2, 1], pads: [2, 0, 1, 3], dilations: [2, 3], group: 2 }),
  ],
  ...autoPads.map(
    (auto_pad): Case => [
      `Conv ${auto_pad}`,
      [11],
      conv([1, 2, 8, 7], [3, 2, 4, 3], {
        auto_pad,
        strides: [3, 2],
        dilations: auto_pad === 'VALID' ? [1, 2] : [1, 1],
      }),
    ],
  ),
  ['Conv NOTSET', [11], conv([1, 2, 8, 7], [3, 2, 4, 3], { auto_pad: 'NOTSET', pads: [1, 1, 2, 0] })],
  ['ConvTranspose plain', [7, 11, 22], conv([2, 3, 4, 5], [3, 4, 3, 2], {}, { op: 'ConvTranspose' })],
  [
    'ConvTranspose with everything',
    [11],
    conv(
      [2, 4, 4, 5],
      [4, 3, 3, 2],
      { strides: [3, 2], pads: [1, 0, 2, 1], dilations: [2, 1], group: 2, output_padding: [1, 1] },
      { op: 'ConvTranspose', bias: false },
    ),
  ],
  ...(['SAME_UPPER', 'SAME_LOWER', 'VALID'] as const).map(
    (auto_pad): Case => [
      `ConvTranspose ${auto_pad}`,
      [11],
      conv([1, 2, 4, 5], [2, 3, 4, 5], { auto_pad, strides: [1, 2] }, { op: 'ConvTranspose' }),
    ],
  ),
  [
    'ConvTranspose output_shape',
    [11],
    conv([1, 2, 4, 5], [2, 3, 4, 3], { output_shape: [8, 10], strides: [2, 2] }, { op: 'ConvTranspose' }),
  ],
  ['Relu', [7, 14], one('Relu', [2, 3, 4, 5])],
  ['Tanh', [7, 13], one('Tanh', [2, 5])],
  ['Sigmoid', [7, 13], one('Sigmoid', [2, 3, 4])],
  ['LeakyRelu by default', [7, 16], one('LeakyRelu', [2, 9])],
  ['LeakyRelu', [7, 16], one('LeakyRelu', [2, 9], { alpha: float(0.3) })],
  ['Clip attributes', [7, 10], one('Clip', [2, 9], { min: float(-0.25), max: float(0.75) })],
  ['Clip one attribute', [7, 10], one('Clip', [2, 9], { max: float(0.75) })],
  ['Clip no attributes', [7], one('Clip', [2, 9])],
  [
    'Clip inputs',
    [11, 13],
    (m) => m.output(m.node('Clip', [m.input('x', 2, 9), m.floats('min', [], [-0.5]), m.floats('max', [], [0.5])], 'y')),
  ],
  [
    'Clip one input',
    [11, 13],
    (m) => {
      m.node('Constant', [], 'six', { value: tensor('f32', [], [0.25]) });
      m.output(m.node('Clip', [m.input('x', 2, 9), '', 'six'], 'y'));
      m.output(m.node('Clip', ['x', m.floats('low', [], [Number.NEGATIVE_INFINITY]), 'six'], 'z'));
    },
  ],
  ['LRN odd', [7, 13], one('LRN', [2, 8, 3, 3], { size: 5, alpha: float(0.3), beta: float(0.6), bias: float(1.5) })],
  ['LRN by default', [7], one('LRN', [1, 8, 3, 3], { size: 3 }), 60],
  ['MaxPool', [7, 8, 12], one('MaxPool', [2, 3, 9, 8], { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 2, 1] })],
  ['MaxPool unit stride', [8], one('MaxPool', [2, 3, 9, 8], { kernel_shape: [3, 2] })],
  ['MaxPool ceil', [10, 22], one('MaxPool', [1, 3, 9, 8], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 })],
  [
    'MaxPool ceil, a window that would begin in the padding',
    [22],
    one('MaxPool', [1, 3, 5, 5], { kernel_shape: [2, 2], strides: [3, 3], pads: [1, 1, 1, 1], ceil_mode: 1 }),
  ],
  [
    'MaxPool storage_order',
    [8],
    one('MaxPool', [1, 2, 5, 5], { kernel_shape: [2, 2], storage_order: 1, strides: [2, 2] }),
  ],
  [
    'MaxPool with indices that nobody reads',
    [8, 12],
    (m) => m.output(m.node('MaxPool', [m.input('x', 1, 2, 5, 5)], ['y', 'indices'], { kernel_shape: [2, 2] })),
  ],
  ...autoPads.map(
    (auto_pad): Case => [
      `pools ${auto_pad}`,
      [12],
      (m) => {
        const attributes = { auto_pad, kernel_shape: [3, 4], strides: [2, 3] };
        m.output(m.node('MaxPool', [m.input('x', 2, 2, 8, 9)], 'y', attributes));
        m.output(m.node('AveragePool', ['x'], 'z', attributes));
        m.output(m.node('AveragePool', ['x'], 'all', { ...attributes, count_include_pad: 1 }));
      },
    ],
  ),
  [
    'AveragePool',
    [7, 11, 19, 22],
    one('AveragePool', [2, 3, 9, 8], { kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 2, 1] }),
  ],
  [
    'AveragePool count_include_pad',
    [7, 11, 19, 22],
    one('AveragePool', [2, 3, 9, 8], {
      kernel_shape: [3, 2],
      strides: [2, 1],
      pads: [1, 0, 2, 1],
      count_include_pad: 1,
    }),
  ],
  [
    'AveragePool ceil',
    [10, 19, 22],
    one('AveragePool', [1, 3, 8, 8], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1 }),
  ],
  [
    'AveragePool ceil, count_include_pad',
    [19, 22],
    one('AveragePool', [1, 3, 8, 8], {
      kernel_shape: [3, 3],
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      ceil_mode: 1,
      count_include_pad: 1,
    }),
  ],
  ['GlobalAveragePool', [7], one('GlobalAveragePool', [2, 3, 4, 5])],
  ['Gemm', [11, 13], gemm({})],
  ['Gemm transB, C [O]', [7, 9, 11, 13], gemm({ transB: 1 }, [4])],
  ['Gemm C [1, O]', [7, 11], gemm({}, [1, 4])],
  ['Gemm C [M, O]', [7], gemm({ beta: float(0.5) }, [2, 4])],
  ['Gemm alpha, beta', [7, 13], gemm({ alpha: float(0.75), beta: float(-1.5), transB: 1 }, [4])],
  ['Gemm alpha alone', [11], gemm({ alpha: float(0.75), beta: float(0.5) })],
  ['Gemm transA', [11], gemm({ transA: 1 })],
  ['Gemm transA, transB, C [M, O]', [7], gemm({ transA: 1, transB: 1, alpha: float(2) }, [2, 4])],
  [
    'Gemm of two inputs',
    [11],
    (m) => {
      const ab = [m.input('a', 2, 3), m.input('b', 3, 4)];
      m.output(m.node('Gemm', [...ab, m.input('c', 2, 4)], 'y', { beta: float(2) }));
      m.output(m.node('Gemm', ['a', m.input('bt', 4, 3), m.weight('bias', [4])], 'z', { transB: 1 }));
    },
  ],
  [
    'MatMul',
    [7, 13],
    (m) => {
      m.output(m.node('MatMul', [m.input('x', 2, 3), m.weight('w', [3, 4])], 'y'));
      m.output(m.node('MatMul', [m.input('a', 4, 2), 'y'], 'z'));
    },
  ],
  [
    'MatMul and the Add of a bias',
    [7, 13],
    (m) => {
      const product = m.node('MatMul', [m.input('x', 2, 3), m.weight('w', [3, 4])], 'p');
      m.output(m.node('Add', [m.weight('b', [4]), product], 'y'));
      const other = m.node('MatMul', ['x', m.weight('v', [3, 5])], 'q');
      m.output(m.node('Add', [other, m.weight('c', [1, 5])], 'z'));
    },
  ],
  [
    'Conv and the Add of a bias',
    [7],
    (m) => {
      const sum = m.node('Conv', [m.input('x', 2, 3, 5, 5), m.weight('w', [4, 3, 3, 3])], 'p');
      m.output(m.node('Add', [sum, m.weight('b', [4, 1, 1])], 'y'));
      const other = m.node('Conv', ['x', m.weight('v', [2, 3, 3, 3])], 'q');
      m.output(m.node('Add', [m.weight('c', [1, 2, 1, 1]), other], 'z'));
    },
  ],
  [
    'Add of two branches',
    [7, 14],
    (m) => {
      const left = m.node('Relu', [m.input('x', 2, 3, 4, 4)], 'left');
      m.output(m.node('Add', [left, 'x'], 'y'));
      m.output(m.node('Add', ['y', m.weight('w', [2, 3, 4, 4])], 'z'));
    },
  ],
  ['Dropout', [7, 10], one('Dropout', [2, 9], { ratio: float(0.9) })],
  [
    'Dropout with inputs',
    [12, 13],
    (m) => {
      const x = m.input('x', 2, 9);
      m.output(m.node('Relu', [m.node('Dropout', [x, m.floats('ratio', [], [0.9])], ['d', 'mask'])], 'y'));
      m.output(m.node('Dropout', [x], 'z', { seed: 7 }));
    },
  ],
  ...[0, 1, 2, 3, 4].map((axis): Case => [`Flatten ${axis}`, [7, 13], one('Flatten', [2, 3, 4, 5], { axis })]),
  ['Flatten by default', [7], one('Flatten', [2, 3, 4, 5])],
  ['Flatten -1', [11, 13], one('Flatten', [2, 3, 4, 5], { axis: -1 })],
  ...(
    [
      [2, 60],
      [0, -1],
      [-1, 60],
      [0, 0, 20],
      [0, -1, 2, 5],
      [6, 4, 5, 1],
    ] as const
  ).map(
    (shape): Case => [
      `Reshape [${shape}]`,
      [7, 14],
      (m) => m.output(m.node('Reshape', [m.input('x', 2, 3, 4, 5), m.integers('shape', ...shape)], 'y')),
    ],
  ),
  [
    'Reshape of a weight',
    [7],
    (m) => {
      m.node('Reshape', [m.weight('raw', [4, 1, 1, 3]), m.integers('shape', 4, 3)], 'w');
      m.output(m.node('Gemm', [m.input('x', 2, 3), 'w', m.weight('b', [4])], 'y', { transB: 1 }));
    },
  ],
  ['Softmax by default before 13', [7, 11], one('Softmax', [2, 3, 4])],
  ['Softmax axis 2 before 13', [7, 11], one('Softmax', [2, 3, 4, 5], { axis: 2 })],
  ['Softmax axis 0 before 13', [7], one('Softmax', [2, 3], { axis: 0 })],
  ['Softmax by default from 13 on', [13], one('Softmax', [2, 3, 4])],
  ['Softmax axis 1 of [N, K, 1, 1]', [13], one('Softmax', [2, 7, 1, 1], { axis: 1 })],
  ['LogSoftmax before 13', [7, 11], one('LogSoftmax', [2, 3, 4])],
  ['LogSoftmax from 13 on', [13], one('LogSoftmax', [2, 9], { axis: -1 })],
  [
    'Concat',
    [7, 13],
    (m) => {
      const both = [m.input('x', 2, 3, 4), m.input('y', 2, 5, 4)];
      m.output(m.node('Concat', both, 'c', { axis: 1 }));
      m.output(m.node('Concat', ['x', 'x', 'x'], 'd', { axis: m.opset >= 11 ? -1 : 2 }));
      m.output(m.node('Concat', ['x'], 'e', { axis: 0 }));
    },
  ],
  [
    'Split by attribute',
    [7, 11],
    (m) => {
      const x = m.input('x', 2, 6, 4);
      m.output(...['a', 'b'].map((name) => name));
      m.node('Split', [x], ['a', 'b'], { axis: 1, split: [2, 4] });
      m.node('Split', [x], ['c', 'd'], {});
      m.output('c', 'd');
    },
  ],
  [
    'Split by input',
    [13, 18],
    (m) => {
      m.node('Split', [m.input('x', 2, 6, 4), m.integers('sizes', 1, 5)], ['a', 'b'], { axis: -2 });
      m.output('a', 'b');
    },
  ],
  [
    'Split by num_outputs',
    [18],
    (m) => {
      m.node('Split', [m.input('x', 2, 7)], ['a', 'b', 'c'], { axis: 1, num_outputs: 3 });
      m.output('a', 'b', 'c');
    },
  ],
  [
    'Identity',
    [7, 13],
    (m) => {
      m.node('Identity', [m.weight('raw', [3, 4])], 'w');
      m.output(m.node('MatMul', [m.node('Identity', [m.input('x', 2, 3)], 'same'), 'w'], 'y'));
    },
  ],
  [
    'Constant as a weight',
    [7, 13],
    (m) => {
      m.node('Constant', [], 'w', { value: tensor('f32', [3, 2], [1, 2, 3, -4, 5, -6]) });
      m.output(m.node('Gemm', [m.input('x', 2, 3), 'w', m.weight('b', [2])], 'y'));
    },
  ],
  [
    'Constant in all forms',
    [13],
    (m) => {
      const x = m.input('x', 2, 3);
      m.node('Constant', [], 'low', { value_float: float(-0.5) });
      m.node('Constant', [], 'bias', { value_floats: floats(0.5, 2, 1) });
      m.node('Constant', [], 'shape', { value_ints: [3, 2] });
      m.node('Constant', [], 'axis', { value_int: 1 });
      m.node('Constant', [], 'zero', { value: tensor('i64', [1], [0]) });
      m.output(m.node('Reshape', [m.node('Clip', [x, 'low'], 'clipped'), 'shape'], 'y'));
      m.node('Unsqueeze', ['axis', 'zero'], 'axes');
      m.output(m.node('Unsqueeze', [x, 'axes'], 'z'));
      m.output(m.node('Gemm', [x, m.weight('w', [3, 3]), 'bias'], 'g'));
    },
  ],
  [
    'BatchNormalization',
    [7, 9, 14, 15],
    (m) => {
      const x = m.input('x', 2, 3, 4, 4);
      const channel = ['scale', 'bias', 'mean'].map((name) => m.weight(name, [3]));
      const variance = m.floats('variance', [3], [0.5, 1, 2]);
      const attributes = { epsilon: float(1e-3), momentum: float(0.7) };
      m.output(m.node('BatchNormalization', [x, ...channel, variance], 'y', attributes));
      m.output(m.node('BatchNormalization', [m.input('flat', 2, 3), ...channel, variance], 'z'));
    },
  ],
  [
    'a flatten as exporters compute it',
    [9, 11],
    (m) => {
      const x = m.input('x', 'N', 3, 2, 2);
      m.node('Shape', [x], 'shape');
      m.node('Constant', [], 'first', { value: tensor('i64', [], [0]) });
      m.node('Gather', ['shape', 'first'], 'batch', { axis: 0 });
      m.node('Cast', ['batch'], 'same', { to: 7 });
      m.node('Unsqueeze', ['same'], 'list', { axes: [0] });
      m.node('Concat', ['list', m.integers('rest', -1)], 'target', { axis: 0 });
      m.output(m.node('Reshape', [x, 'target'], 'y'));
    },
  ],
  [
    'shapes from 15 on',
    [15],
    (m) => {
      const x = m.input('x', 'N', 3, 1, 1);
      m.node('Shape', [x], 'two', { start: 0, end: -2 });
      m.node('Gather', ['two', m.integers('places', 0, -1)], 'target');
      m.output(m.node('Reshape', [x, 'target'], 'y'));
      m.node('Squeeze', ['one', m.integers('zero', 0)], 'scalar');
      m.node('Shape', [x], 'one', { start: 1, end: 2 });
    },
  ],
  ['Squeeze all', [7, 13], one('Squeeze', [2, 1, 3, 1])],
  ['Squeeze by attribute', [7, 11], one('Squeeze', [2, 1, 3, 1], { axes: [3] })],
  [
    'Squeeze and Unsqueeze by input',
    [13],
    (m) => {
      m.output(m.node('Squeeze', [m.input('x', 2, 1, 3, 1), m.integers('one', -1)], 'y'));
      m.output(m.node('Unsqueeze', ['y', m.integers('two', 0, -1)], 'z'));
    },
  ],
  ['Unsqueeze by attribute', [7, 11], one('Unsqueeze', [2, 3], { axes: [0, 3] })],
  ['Cast of floats', [9, 13], one('Cast', [2, 3], { to: 1 })],
];

t.test('as onnxruntime has it, shapes and values', async (t) => {
  const engines = await bothEngines(t);
  for (const [name, opsets, make, limit] of cases) {
    for (const opset of opsets) {
      const model = new OnnxBuilder(opset);
      make(model);
      const { wrong } = await compare(engines, model, limit).catch((error: Error) => ({ wrong: error.message }));
      t.equal(wrong, undefined, `${name}, opset ${opset}`);
    }
  }
});
