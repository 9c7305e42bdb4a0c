import { elements } from '../../../ops/define.js';
import { type LrnAttributes, lrnCoefficient, lrnReach } from '../../../ops/lrn.js';
import { type LrnWithinAttributes, lrnWithinCoefficient, lrnWithinReach } from '../../../ops/lrnWithin.js';
import { float, grid, type LowerContext, type LowerRule, type Word, workgroupSize } from './program.js';

/** A window beyond the ends of an axis of `extent` holds nothing more: cells before and after that can matter. */
function clipped(reach: { readonly before: number; readonly after: number }, extent: number) {
  return { before: Math.min(reach.before, extent - 1), after: Math.min(reach.after, extent - 1) };
}

/** a, k and β. */
function formula(a: number, { k, beta }: { readonly k: number; readonly beta: number }): readonly Word[] {
  return [float(a), float(k), float(beta)];
}

/** Channels that an invocation goes up: more read less beyond their ends, fewer occupy the device when there is little to do. */
function runLength(channels: number, count: number): number {
  return Math.min(channels, count < 2 ** 21 ? 8 : 16);
}

/** `lrn` and its gradient. Units: images of a group of channels. */
export function lowerLrn(gradient: boolean): LowerRule {
  return (context) => {
    const { node, limits } = context;
    const given = node.attributes as LrnAttributes;
    const shape = context.shape(node.outputs[0]);
    const channels = shape[1] / given.groups;
    const plane = shape[2] * shape[3];
    const { before, after } = clipped(lrnReach(given), channels);
    const run = runLength(channels, elements(shape));
    const runs = Math.ceil(channels / run);
    const a = lrnCoefficient(given);
    const unitBytes = channels * plane * 4;
    context.step({
      kernel: 'lrn',
      constants: { SIZE: before + 1 + after, BEFORE: before, GRADIENT: gradient },
      units: shape[0] * given.groups,
      bindings: [
        ...node.inputs.map((_, i) => ({ buffer: context.input(i), access: 'read' as const, unitBytes })),
        { buffer: context.output(0), access: 'write', unitBytes },
      ],
      params: (units) => [
        units * runs * plane,
        runs,
        run,
        channels,
        plane,
        ...formula(a, given),
        ...(gradient ? [float(2 * a * given.beta)] : []),
      ],
      workgroups: (units) => grid(Math.ceil((units * runs * plane) / workgroupSize), limits),
    });
  };
}

/** A step of `lrnWithin`: bindings of x's shape. Units: maps. */
function withinStep(
  context: LowerContext,
  forward: boolean,
  terms: boolean,
  buffers: readonly [number, 'read' | 'write'][],
) {
  const { node, limits } = context;
  const given = node.attributes as LrnWithinAttributes;
  const [batch, channels, height, width] = context.shape(node.outputs[0]);
  const { before, after } = clipped(lrnWithinReach(given), Math.max(height, width));
  const a = lrnWithinCoefficient(given);
  const plane = height * width;
  return {
    kernel: 'lrnWithin',
    constants: { FORWARD: forward, TERMS: terms },
    units: batch * channels,
    bindings: buffers.map(([buffer, access]) => ({ buffer, access, unitBytes: plane * 4 })),
    params: (units: number) => [
      units * plane,
      height,
      width,
      before,
      after,
      ...formula(a, given),
      float(2 * a * given.beta),
    ],
    workgroups: (units: number) => grid(Math.ceil((units * plane) / workgroupSize), limits),
  };
}

export function lowerLrnWithin(context: LowerContext): void {
  const buffers: [number, 'read' | 'write'][] = [
    [context.input(0), 'read'],
    [context.output(0), 'write'],
  ];
  context.step(withinStep(context, true, false, buffers));
}

export function lowerLrnWithinGradient(context: LowerContext): void {
  const [dy, x, dx] = [context.input(0), context.input(1), context.output(0)];
  const terms = context.temporary('terms', elements(context.shape(context.node.outputs[0])) * 4);
  context.preparation(
    withinStep(context, false, true, [
      [dy, 'read'],
      [x, 'read'],
      [terms, 'write'],
      [dx, 'write'],
    ]),
  );
  context.step(
    withinStep(context, false, false, [
      [x, 'read'],
      [terms, 'read'],
      [dx, 'write'],
    ]),
  );
}
