/** Lowering of the optimizers' steps: one pass over memory, in place. */
import type { AdamAttributes } from '../../../ops/adam.js';
import type { SgdAttributes } from '../../../ops/sgd.js';
import { countOf, double, float, type LowerContext, type Word } from './program.js';

/** Factors of the rule, as vectors. */
export const factorBytes = 64;

export function lowerSgd(context: LowerContext): void {
  context.step('sgd', [
    context.input(0),
    context.input(1),
    context.input(2),
    countOf(context, 0),
    ...context.scratch(factorBytes),
    ...sgdRule(context, 3),
  ]);
}

/** The rule and its constants as the kernels read them; `rate` is the position of the learning rate among the inputs. */
export function sgdRule({ node, input }: LowerContext, rate: number): readonly Word[] {
  const given = node.attributes as SgdAttributes;
  return [
    input(rate),
    Number(given.rule === 'torch'),
    float(given.momentum),
    float(given.weightDecay),
    float(given.learningRateMultiplier),
    float(given.rule === 'paper' ? -1 : 1),
  ];
}

export function lowerAdam(context: LowerContext): void {
  const given = context.node.attributes as AdamAttributes;
  context.step('adam', [
    ...context.node.inputs.map((_, i) => context.input(i)),
    countOf(context, 0),
    float(given.epsilon),
    float(given.weightDecay),
    ...double(given.beta1),
    ...double(given.beta2),
    ...double(given.learningRateMultiplier),
  ]);
}
