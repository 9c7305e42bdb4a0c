/** Small ONNX models with every op that is imported, for damage to be done to them. */
import { float, OnnxBuilder, tensor } from './onnxBuilder.js';

export function onnxModels(): Promise<readonly Uint8Array[]> {
  return Promise.all([convolutional().bytes(), branched().bytes(), matrices().bytes()]);
}

function convolutional(): OnnxBuilder {
  const m = new OnnxBuilder(9);
  const x = m.input('x', 1, 2, 9, 9);
  const attributes = { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], dilations: [1, 1], group: 1 };
  const sum = m.node('Conv', [x, m.weight('w1', [4, 2, 3, 3]), m.weight('b1', [4])], 'c1', attributes);
  m.node('LeakyRelu', [sum], 'r1', { alpha: float(0.1) });
  m.node('LRN', ['r1'], 'n1', { size: 3, alpha: float(1e-3), beta: float(0.75), bias: float(1) });
  m.node('MaxPool', ['n1'], 'p1', { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 1, 1] });
  m.node('Clip', ['p1'], 'clip', { min: float(-1), max: float(6) });
  m.node('ConvTranspose', ['clip', m.weight('w2', [4, 3, 2, 2])], 'c2', { strides: [2, 2], auto_pad: 'SAME_UPPER' });
  m.node('AveragePool', ['c2'], 'p2', {
    kernel_shape: [2, 2],
    strides: [2, 2],
    count_include_pad: 1,
    auto_pad: 'VALID',
  });
  m.node('Reshape', ['p2', m.integers('shape', 1, 48)], 'flat');
  m.node('Gemm', ['flat', m.weight('w3', [5, 48]), m.weight('b3', [5])], 'fc', { transB: 1, alpha: float(0.5) });
  m.node('Dropout', ['fc'], ['d', 'mask'], { ratio: float(0.5) });
  return m.output(m.node('Softmax', ['d'], 'y', { axis: 1 }));
}

function branched(): OnnxBuilder {
  const m = new OnnxBuilder(13);
  const x = m.input('x', 'N', 4, 5, 5);
  m.node('Split', [x, m.integers('sizes', 1, 3)], ['a', 'b'], { axis: 1 });
  m.node('Concat', ['b', 'a'], 'joined', { axis: -3 });
  const channel = ['s', 'o', 'm', 'v'].map((name) => m.floats(name, [4], [1, 2, 0.5, 1]));
  m.node('BatchNormalization', ['joined', ...channel], 'normal', { epsilon: float(1e-4) });
  m.node('Add', ['normal', x], 'sum');
  m.node('GlobalAveragePool', ['sum'], 'mean');
  m.node('Shape', ['mean'], 'shape');
  m.node('Constant', [], 'first', { value: tensor('i64', [1], [0]) });
  m.node('Gather', ['shape', 'first'], 'batch', { axis: 0 });
  m.node('Cast', ['batch'], 'same', { to: 7 });
  m.node('Concat', ['same', m.integers('rest', -1)], 'target', { axis: 0 });
  m.node('Reshape', ['mean', 'target'], 'flat');
  return m.output(m.node('LogSoftmax', ['flat'], 'y'));
}

function matrices(): OnnxBuilder {
  const m = new OnnxBuilder(18);
  const x = m.input('x', 2, 6);
  m.node('Unsqueeze', [x, m.integers('axes', 2, -1)], 'map');
  m.node('Squeeze', ['map', 'axes'], 'flat');
  m.node('MatMul', ['flat', m.weight('w1', [6, 4])], 'product');
  m.node('Add', ['product', m.weight('b1', [1, 4])], 'biased');
  m.node('Clip', ['biased', m.floats('low', [], [-2])], 'clip');
  m.node('Tanh', ['clip'], 't');
  m.node('Constant', [], 'w2', { value: tensor('f32', [4, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) });
  m.node('Gemm', ['t', 'w2', m.weight('b2', [3])], 'fc', { beta: float(2) });
  m.node('Split', ['fc'], ['left', 'right'], { axis: 1, num_outputs: 2 });
  m.node('Identity', ['left'], 'same');
  m.node('Flatten', ['same'], 'level');
  return m.output(m.node('Sigmoid', ['level'], 'y'));
}
