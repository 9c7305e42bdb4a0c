/** Op by op how inference graphs are written in ONNX, opset 13. */
import { GraphError } from '../../errors.js';
import { adaptiveAvgPool } from '../../ops/adaptiveAvgPool.js';
import { add } from '../../ops/add.js';
import { avgPool } from '../../ops/avgPool.js';
import { batchNorm } from '../../ops/batchNorm.js';
import { clip } from '../../ops/clip.js';
import { concat } from '../../ops/concat.js';
import { conv2d } from '../../ops/conv2d.js';
import { convTranspose2d } from '../../ops/convTranspose2d.js';
import { leakyRelu } from '../../ops/leakyRelu.js';
import { isInt16, linear } from '../../ops/linear.js';
import { local2d } from '../../ops/local2d.js';
import { logSoftmax } from '../../ops/logSoftmax.js';
import { lrn } from '../../ops/lrn.js';
import { lrnWithin } from '../../ops/lrnWithin.js';
import { matMul } from '../../ops/matMul.js';
import { maxPool } from '../../ops/maxPool.js';
import { relu } from '../../ops/relu.js';
import { reshape } from '../../ops/reshape.js';
import { scale } from '../../ops/scale.js';
import { sigmoid } from '../../ops/sigmoid.js';
import { softmax } from '../../ops/softmax.js';
import { split } from '../../ops/split.js';
import { tanh } from '../../ops/tanh.js';
import { writeLocal2d } from './local.js';
import { writeLrn, writeLrnWithin } from './norms.js';
import { writeAdaptiveAvgPool, writeAvgPool, writeMaxPool } from './pooling.js';
import { float, int, ints, type OnnxAttributes, on, type Rule, type RuleScope } from './rule.js';

export const rules: ReadonlyMap<string, Rule> = new Map([
  on(conv2d, (scope, { stride, padding, dilation, groups, activation }) =>
    writeActivated(scope, 'Conv', activation, {
      kernel_shape: ints(scope.inputTypes[1].shape.slice(2)),
      strides: ints(stride),
      pads: ints(padding),
      dilations: ints(dilation),
      group: int(groups),
    }),
  ),
  on(convTranspose2d, (scope, { stride, padding, outputPadding, dilation, groups }) =>
    write(scope, 'ConvTranspose', {
      kernel_shape: ints(scope.inputTypes[1].shape.slice(2)),
      strides: ints(stride),
      pads: ints(padding),
      output_padding: ints(outputPadding),
      dilations: ints(dilation),
      group: int(groups),
    }),
  ),
  on(linear, (scope, { activation }) => {
    if (isInt16(scope.inputTypes[1])) {
      throw new GraphError(
        `node '${scope.node.name}': int16 weights cannot be written to ONNX; write the float32 graph, with the weights read back`,
      );
    }
    writeActivated(scope, 'Gemm', activation, { transB: int(1) });
  }),
  on(local2d, writeLocal2d),
  on(matMul, (scope, { transposeA, transposeB }) =>
    transposeA || transposeB
      ? write(scope, 'Gemm', { transA: int(Number(transposeA)), transB: int(Number(transposeB)) })
      : write(scope, 'MatMul'),
  ),
  on(relu, (scope) => write(scope, 'Relu')),
  on(leakyRelu, (scope, { slope }) => write(scope, 'LeakyRelu', { alpha: float(slope) })),
  on(clip, (scope, { min, max }) => {
    const limits = [scope.floats('min', [], [min]), scope.floats('max', [], [max])];
    scope.emit('Clip', [scope.inputs[0], ...limits], {}, scope.outputs[0]);
  }),
  on(tanh, (scope, { a, b }) => {
    const inner = b === 1 ? scope.inputs[0] : scope.emit('Mul', [scope.inputs[0], scope.floats('b', [], [b])]);
    if (a === 1) scope.emit('Tanh', [inner], {}, scope.outputs[0]);
    else scope.emit('Mul', [scope.emit('Tanh', [inner]), scope.floats('a', [], [a])], {}, scope.outputs[0]);
  }),
  on(sigmoid, (scope) => write(scope, 'Sigmoid')),
  on(softmax, (scope) => write(scope, 'Softmax', { axis: int(-1) })),
  on(logSoftmax, (scope) => write(scope, 'LogSoftmax', { axis: int(-1) })),
  on(scale, (scope, { factor }) =>
    scope.emit('Mul', [scope.inputs[0], scope.floats('factor', [], [factor])], {}, scope.outputs[0]),
  ),
  on(batchNorm, (scope, { epsilon }) => write(scope, 'BatchNormalization', { epsilon: float(epsilon) })),
  on(lrn, writeLrn),
  on(lrnWithin, writeLrnWithin),
  on(maxPool, writeMaxPool),
  on(avgPool, writeAvgPool),
  on(adaptiveAvgPool, writeAdaptiveAvgPool),
  on(add, (scope) => write(scope, 'Add')),
  on(concat, (scope, { axis }) => write(scope, 'Concat', { axis: int(axis) })),
  on(split, (scope, { axis, sizes }) =>
    scope.emitAll('Split', [scope.inputs[0], scope.integers('sizes', sizes)], { axis: int(axis) }, scope.outputs),
  ),
  // A 0 keeps a dimension as it is, which leaves the batch open.
  on(reshape, (scope, { shape }) => {
    const kept = scope.inputTypes[0].shape[0] === shape[0];
    const wanted = shape.map((extent, axis) => (kept && axis === 0 ? 0 : extent));
    scope.emit('Reshape', [scope.inputs[0], scope.integers('shape', wanted)], {}, scope.outputs[0]);
  }),
]);

/** One ONNX node with the inputs and the output of the graph's. */
function write(scope: RuleScope, opType: string, attributes: OnnxAttributes = {}): void {
  scope.emit(opType, scope.inputs, attributes, scope.outputs[0]);
}

function writeActivated(
  scope: RuleScope,
  opType: string,
  activation: 'none' | 'relu',
  attributes: OnnxAttributes,
): void {
  if (activation === 'none') write(scope, opType, attributes);
  else scope.emit('Relu', [scope.emit(opType, scope.inputs, attributes)], {}, scope.outputs[0]);
}
