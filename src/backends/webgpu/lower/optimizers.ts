/** The optimizers' steps: one pass over memory, in place. */
import type { AdamAttributes } from '../../../ops/adam.js';
import { elements } from '../../../ops/define.js';
import type { SgdAttributes } from '../../../ops/sgd.js';
import { blockStep } from './elementwise.js';
import { type BufferIndex, float, type LowerContext } from './program.js';

/** The buffer of an output that begins as a copy of an input: the input's own where the op updates a variable. */
function begun(context: LowerContext, output: number, input: number): BufferIndex {
  const [from, to] = [context.input(input), context.output(output)];
  if (from !== to) {
    const bindings = [
      { buffer: from, access: 'read' },
      { buffer: to, access: 'write' },
    ] as const;
    context.preparation(blockStep(context, countOf(context), 'scale', bindings, {}, [float(1)]));
  }
  return to;
}

function countOf({ node, shape }: LowerContext): number {
  return elements(shape(node.inputs[0]));
}

export function lowerSgd(context: LowerContext): void {
  stepBySgd(context, context.input(1), 2, 3);
}

/** A step of gradient descent with the gradient of a buffer; `velocity` and `rate` are the positions of these among the inputs. */
export function stepBySgd(context: LowerContext, gradient: BufferIndex, velocity: number, rate: number): void {
  const { rule, momentum, weightDecay, learningRateMultiplier } = context.node.attributes as SgdAttributes;
  const bindings = [
    { buffer: begun(context, 0, 0), access: 'write' },
    { buffer: gradient, access: 'read' },
    { buffer: begun(context, 1, velocity), access: 'write' },
    { buffer: context.input(rate), access: 'read', whole: true },
  ] as const;
  const sign = rule === 'paper' ? -1 : 1;
  const words = [momentum, weightDecay, learningRateMultiplier, sign].map(float);
  context.step(blockStep(context, countOf(context), 'sgd', bindings, { TORCH: rule === 'torch' }, words));
}

export function lowerAdam(context: LowerContext): void {
  const { beta1, beta2, epsilon, weightDecay, learningRateMultiplier } = context.node.attributes as AdamAttributes;
  const rates = context.temporary('rates', 8);
  context.preparation({
    kernel: 'adamRates',
    units: 1,
    bindings: [
      { buffer: context.input(4), access: 'read', unitBytes: 0 },
      { buffer: context.input(5), access: 'read', unitBytes: 0 },
      { buffer: rates, access: 'write', unitBytes: 0 },
    ],
    params: () => [...fraction(beta1), ...fraction(beta2), float(learningRateMultiplier)],
    workgroups: () => [1, 1, 1],
  });
  const bindings = [
    { buffer: begun(context, 0, 0), access: 'write' },
    { buffer: context.input(1), access: 'read' },
    { buffer: begun(context, 1, 2), access: 'write' },
    { buffer: begun(context, 2, 3), access: 'write' },
    { buffer: rates, access: 'read', whole: true },
  ] as const;
  const words = [weightDecay, epsilon, beta1, 1 - beta1, beta2, 1 - beta2].map(float);
  context.step(blockStep(context, countOf(context), 'adam', bindings, {}, words));
}

export function lowerAccumulate(context: LowerContext): void {
  const bindings = [
    { buffer: begun(context, 0, 0), access: 'write' },
    { buffer: context.input(1), access: 'read' },
    { buffer: context.input(2), access: 'read', whole: true },
  ] as const;
  context.step(blockStep(context, countOf(context), 'accumulate', bindings));
}

/** A number from 0 to below 1 in units of 2⁻⁶⁴: high and low word. */
function fraction(value: number): readonly [number, number] {
  const high = Math.floor(value * 2 ** 32);
  return [high, Math.floor((value * 2 ** 32 - high) * 2 ** 32)];
}
