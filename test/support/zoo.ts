/**
 * Stand-ins for bvlcalexnet-9 and caffenet-9 of the ONNX model zoo: the same 24 nodes with the same attributes and names, but for the
 * numbers of filters and units, which are those divided by `narrow`. Nodes have no names, the initializers are inputs too, and the
 * batch of 1 is written into the shape that fc6 flattens to.
 */
import { float, OnnxBuilder } from './onnxBuilder.js';

export function zooModel(which: 'bvlcalexnet' | 'caffenet', narrow = 16): OnnxBuilder {
  const m = new OnnxBuilder(9, which === 'bvlcalexnet' ? 'bvlc_alexnet' : 'bvlc_reference_caffenet', 3);
  const unnamed = { name: '' };
  const size = (full: number) => full / narrow;
  let top = m.input('data_0', 1, 3, 224, 224);
  let channels = 3;
  const learned = (name: string, shape: readonly number[]) => {
    const fanIn = shape.slice(1).reduce((product, extent) => product * extent, 1);
    return [m.weight(`${name}_w_0`, shape, Math.sqrt(6 / fanIn)), m.weight(`${name}_b_0`, [shape[0]], 0.1)];
  };
  const layer = (name: string, filters: number, kernel: number, strides: number, pad: number, group: number) => {
    const weights = learned(name, [filters, channels / group, kernel, kernel]);
    const attributes = { kernel_shape: [kernel, kernel], strides: [strides, strides], pads: [pad, pad, pad, pad] };
    const sum = m.node(
      'Conv',
      [top, ...weights],
      `${name}_1`,
      { ...attributes, ...(group > 1 ? { group } : {}) },
      unnamed,
    );
    top = m.node('Relu', [sum], `${name}_2`, {}, unnamed);
    channels = filters;
  };
  const norm = (name: string) => {
    const attributes = { size: 5, alpha: float(1e-4), beta: float(0.75), bias: float(1) };
    top = m.node('LRN', [top], `${name}_1`, attributes, unnamed);
  };
  const pool = (name: string, end: number) => {
    const attributes = { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, end, end] };
    top = m.node('MaxPool', [top], `${name}_1`, attributes, unnamed);
  };
  const stages = which === 'bvlcalexnet' ? [norm, pool] : [pool, norm];
  layer('conv1', size(96), 11, 4, 0, 1);
  for (const stage of stages) stage(stage === norm ? 'norm1' : 'pool1', 0);
  layer('conv2', size(256), 5, 1, 2, 2);
  for (const stage of stages) stage(stage === norm ? 'norm2' : 'pool2', 0);
  layer('conv3', size(384), 3, 1, 1, 1);
  layer('conv4', size(384), 3, 1, 1, 2);
  layer('conv5', size(256), 3, 1, 1, 2);
  pool('pool5', 1);
  const flat = 36 * size(256);
  top = m.node('Reshape', [top, m.integers('OC2_DUMMY_1', 1, flat)], 'OC2_DUMMY_0', {}, unnamed);
  let columns = flat;
  for (const name of ['fc6', 'fc7']) {
    const sum = m.node('Gemm', [top, ...learned(name, [size(4096), columns])], `${name}_1`, { transB: 1 }, unnamed);
    const gate = m.node('Relu', [sum], `${name}_2`, {}, unnamed);
    top = m.node('Dropout', [gate], [`${name}_3`, `_${name}_mask_1`], { ratio: float(0.5) }, unnamed);
    columns = size(4096);
  }
  top = m.node('Gemm', [top, ...learned('fc8', [1000, columns])], 'fc8_1', { transB: 1 }, unnamed);
  m.node('Softmax', [top], 'prob_1', {}, unnamed);
  return m.output('prob_1');
}
