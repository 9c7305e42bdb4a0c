import type { BatchNormAttributes } from '../../../ops/batchNorm.js';
import { elements } from '../../../ops/define.js';
import { float, type LowerContext } from './program.js';

/** Batch normalisation and its gradients: inputs, output, batch, channels, plane and ε. The first input has x's shape. */
export function lowerBatchNorm(context: LowerContext): void {
  const { node } = context;
  const [batch, channels, ...plane] = context.shape(node.inputs[0]);
  context.step(node.op.name, [
    ...node.inputs.map((_, i) => context.input(i)),
    context.output(0),
    batch,
    channels,
    elements(plane),
    float((node.attributes as BatchNormAttributes).epsilon),
  ]);
}
