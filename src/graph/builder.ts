import { GraphError } from '../errors.js';
import { type AdaptiveAvgPoolAttributes, adaptiveAvgPool } from '../ops/adaptiveAvgPool.js';
import { add } from '../ops/add.js';
import { type AugmentAttributes, augment, augmentIsRandom } from '../ops/augment.js';
import { type AvgPoolAttributes, avgPool } from '../ops/avgPool.js';
import { type BatchNormAttributes, batchNorm } from '../ops/batchNorm.js';
import { type ClipAttributes, clip } from '../ops/clip.js';
import { type ConcatAttributes, concat } from '../ops/concat.js';
import { type Conv2dAttributes, conv2d } from '../ops/conv2d.js';
import { type ConvTranspose2dAttributes, convTranspose2d } from '../ops/convTranspose2d.js';
import { crossEntropy } from '../ops/crossEntropy.js';
import type { Attributes, DType, Op } from '../ops/define.js';
import { formatShape } from '../ops/define.js';
import { type DropoutAttributes, dropout } from '../ops/dropout.js';
import { type LeakyReluAttributes, leakyRelu } from '../ops/leakyRelu.js';
import { type LinearAttributes, linear } from '../ops/linear.js';
import { type Local2dAttributes, local2d } from '../ops/local2d.js';
import { logSoftmax } from '../ops/logSoftmax.js';
import { type LrnAttributes, lrn } from '../ops/lrn.js';
import { type LrnWithinAttributes, lrnWithin } from '../ops/lrnWithin.js';
import { type MatMulAttributes, matMul } from '../ops/matMul.js';
import { type MaxPoolAttributes, maxPool } from '../ops/maxPool.js';
import { meanSquaredError } from '../ops/meanSquaredError.js';
import { relu } from '../ops/relu.js';
import { reshape } from '../ops/reshape.js';
import { type ScaleAttributes, scale } from '../ops/scale.js';
import { sigmoid } from '../ops/sigmoid.js';
import { softmax } from '../ops/softmax.js';
import { type SplitAttributes, split } from '../ops/split.js';
import { type TanhAttributes, tanh } from '../ops/tanh.js';
import type { Graph, Initializer, Node, Value, VariableSpec } from './graph.js';

export interface VariableOptions {
  readonly role?: VariableSpec['role'];
  /** 'f32' by default. */
  readonly dtype?: DType;
  readonly learningRateMultiplier?: number;
  readonly decayMultiplier?: number;
}

/** Where new nodes go in tables and in the order of phases. */
export interface NodeOptions {
  readonly name?: string;
  readonly layer?: string;
  readonly phase?: Node['phase'];
}

/**
 * Builds a graph node by node; shapes are checked as it grows, and an error names the node and the shapes.
 *
 *     const g = new GraphBuilder('tiny');
 *     const x = g.input('images', [8, 3, 32, 32]);
 *     const w = g.variable('conv1.weight', [16, 3, 5, 5], { kind: 'he' });
 *     g.output('features', g.relu(g.conv2d(x, w, undefined, { padding: 2 }, { name: 'conv1' })));
 *     const graph = g.build();
 */
export class GraphBuilder {
  private readonly values: Value[] = [];
  private readonly nodes: Node[] = [];
  private readonly inputs = new Map<string, number>();
  private readonly outputs = new Map<string, number>();
  private readonly updates = new Map<number, number>();
  private readonly nodeNames = new Set<string>();
  private readonly valueNames = new Set<string>();

  /** `from` continues a finished graph: its values keep their ids. */
  constructor(
    readonly name: string,
    from?: Graph,
  ) {
    if (!from) return;
    this.values.push(...from.values);
    this.nodes.push(...from.nodes);
    for (const [key, id] of from.inputs) this.inputs.set(key, id);
    for (const [key, id] of from.outputs) this.outputs.set(key, id);
    for (const [variable, id] of from.updates) this.updates.set(variable, id);
    for (const node of from.nodes) this.nodeNames.add(node.name);
    for (const value of from.values) this.valueNames.add(value.name);
  }

  /** A tensor given anew with each run. */
  input(name: string, shape: readonly number[], dtype: DType = 'f32'): Value {
    if (this.inputs.has(name)) throw new GraphError(`input '${name}' is declared twice`);
    const value = this.value({ name, shape, dtype, kind: 'input' });
    this.inputs.set(name, value.id);
    return value;
  }

  /** A tensor that lives in the network's parameter store, found there by name. */
  variable(name: string, shape: readonly number[], init: Initializer, options: VariableOptions = {}): Value {
    const variable: VariableSpec = {
      role: options.role ?? 'parameter',
      init,
      learningRateMultiplier: options.learningRateMultiplier ?? 1,
      decayMultiplier: options.decayMultiplier ?? 1,
    };
    return this.value({ name, shape, dtype: options.dtype ?? 'f32', kind: 'variable', variable });
  }

  /** Names a value that can be read after a run. */
  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw new GraphError(`output '${name}' is declared twice`);
    if (value.dtype !== 'f32') throw new GraphError(`output '${name}' must be f32, got ${value.dtype}`);
    this.outputs.set(name, this.own(value).id);
  }

  /** At the end of a run the variable holds `value`. */
  update(variable: Value, value: Value): void {
    if (variable.kind !== 'variable')
      throw new GraphError(`'${variable.name}' is not a variable and cannot be updated`);
    if (this.updates.has(variable.id)) throw new GraphError(`variable '${variable.name}' is updated twice`);
    this.updates.set(variable.id, this.own(value).id);
  }

  /** Adds a node of any op and returns its outputs. */
  apply<A extends Attributes>(
    op: Op<A>,
    inputs: readonly Value[],
    given: Partial<A>,
    options: NodeOptions = {},
  ): readonly Value[] {
    const name = this.unique(options.name ?? op.name, this.nodeNames);
    try {
      const attributes = op.attributes(given);
      const types = op.infer(
        attributes,
        inputs.map((value) => this.own(value)),
      );
      const outputs = types.map((type, i) =>
        this.value({ ...type, name: types.length === 1 ? name : `${name}:${i}`, kind: 'intermediate' }),
      );
      this.nodes.push({
        name,
        op: op as unknown as Op,
        attributes,
        inputs: inputs.map((value) => value.id),
        outputs: outputs.map((value) => value.id),
        layer: options.layer ?? name,
        phase: options.phase ?? 'forward',
      });
      return outputs;
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      const shapes = inputs.map((value) => `'${value.name}' ${formatShape(value.shape)}`).join(', ');
      throw new GraphError(`node '${name}': ${error.message} (inputs: ${shapes || 'none'})`, { cause: error });
    }
  }

  /** x [N, C, H, W], weight [O, C/groups, kh, kw], bias [O]. */
  conv2d(
    x: Value,
    weight: Value,
    bias: Value | undefined,
    attributes: Partial<Conv2dAttributes>,
    options?: NodeOptions,
  ): Value {
    return this.apply(conv2d, bias ? [x, weight, bias] : [x, weight], attributes, options)[0];
  }

  /** x [N, C, H, W], weight [C, O/groups, kh, kw], bias [O]. */
  convTranspose2d(
    x: Value,
    weight: Value,
    bias: Value | undefined,
    attributes: Partial<ConvTranspose2dAttributes>,
    options?: NodeOptions,
  ): Value {
    return this.apply(convTranspose2d, bias ? [x, weight, bias] : [x, weight], attributes, options)[0];
  }

  /** Locally connected: x [N, C, H, W], weight [O, OH, OW, C, kh, kw], bias [O, OH, OW]. */
  local2d(
    x: Value,
    weight: Value,
    bias: Value | undefined,
    attributes: Partial<Local2dAttributes>,
    options?: NodeOptions,
  ): Value {
    return this.apply(local2d, bias ? [x, weight, bias] : [x, weight], attributes, options)[0];
  }

  /** a [M, K] (or [K, M], `transposeA`) times b [K, N] (or [N, K], `transposeB`) → [M, N]. */
  matMul(a: Value, b: Value, attributes: Partial<MatMulAttributes> = {}, options?: NodeOptions): Value {
    return this.apply(matMul, [a, b], attributes, options)[0];
  }

  /** x [N, K], weight [O, K], bias [O] → [N, O]. */
  linear(
    x: Value,
    weight: Value,
    bias?: Value,
    options?: NodeOptions,
    attributes: Partial<LinearAttributes> = {},
  ): Value {
    return this.apply(linear, bias ? [x, weight, bias] : [x, weight], attributes, options)[0];
  }

  relu(x: Value, options?: NodeOptions): Value {
    return this.apply(relu, [x], {}, options)[0];
  }

  leakyRelu(x: Value, attributes: Partial<LeakyReluAttributes> = {}, options?: NodeOptions): Value {
    return this.apply(leakyRelu, [x], attributes, options)[0];
  }

  clip(x: Value, attributes: Partial<ClipAttributes>, options?: NodeOptions): Value {
    return this.apply(clip, [x], attributes, options)[0];
  }

  /** a·tanh(b·x). */
  tanh(x: Value, attributes: Partial<TanhAttributes> = {}, options?: NodeOptions): Value {
    return this.apply(tanh, [x], attributes, options)[0];
  }

  sigmoid(x: Value, options?: NodeOptions): Value {
    return this.apply(sigmoid, [x], {}, options)[0];
  }

  /** factor·x. */
  scale(x: Value, attributes: Partial<ScaleAttributes>, options?: NodeOptions): Value {
    return this.apply(scale, [x], attributes, options)[0];
  }

  /** Inference form; scale, bias, mean and variance [C]. */
  batchNorm(
    x: Value,
    given: { readonly scale: Value; readonly bias: Value; readonly mean: Value; readonly variance: Value },
    attributes: Partial<BatchNormAttributes> = {},
    options?: NodeOptions,
  ): Value {
    const { scale: factor, bias, mean, variance } = given;
    return this.apply(batchNorm, [x, factor, bias, mean, variance], attributes, options)[0];
  }

  /** Local response normalisation across channels. */
  lrn(x: Value, attributes: Partial<LrnAttributes>, options?: NodeOptions): Value {
    return this.apply(lrn, [x], attributes, options)[0];
  }

  /** Local response normalisation within each channel. */
  lrnWithin(x: Value, attributes: Partial<LrnWithinAttributes>, options?: NodeOptions): Value {
    return this.apply(lrnWithin, [x], attributes, options)[0];
  }

  avgPool(x: Value, attributes: Partial<AvgPoolAttributes>, options?: NodeOptions): Value {
    return this.apply(avgPool, [x], attributes, options)[0];
  }

  /** x [N, C, H, W] → [N, C, size[0], size[1]]. */
  adaptiveAvgPool(x: Value, attributes: Partial<AdaptiveAvgPoolAttributes>, options?: NodeOptions): Value {
    return this.apply(adaptiveAvgPool, [x], attributes, options)[0];
  }

  maxPool(x: Value, attributes: Partial<MaxPoolAttributes>, options?: NodeOptions): Value {
    return this.apply(maxPool, [x], attributes, options)[0];
  }

  /** `random` is an i32 input [4]: see `dropout`. */
  dropout(x: Value, random: Value, attributes: Partial<DropoutAttributes>, options?: NodeOptions): Value {
    return this.apply(dropout, [x, random], attributes, options)[0];
  }

  reshape(x: Value, shape: readonly number[], options?: NodeOptions): Value {
    return this.apply(reshape, [x], { shape }, options)[0];
  }

  /** Over the last dimension of [N, K]. */
  softmax(x: Value, options?: NodeOptions): Value {
    return this.apply(softmax, [x], {}, options)[0];
  }

  /** Over the last dimension of [N, K]. */
  logSoftmax(x: Value, options?: NodeOptions): Value {
    return this.apply(logSoftmax, [x], {}, options)[0];
  }

  /** Mean over the batch of −log softmax(logits)[label]; logits [N, K], labels i32 [N] or probabilities f32 [N, K] → [1]. */
  crossEntropy(logits: Value, target: Value, options?: NodeOptions): Value {
    return this.apply(crossEntropy, [logits, target], {}, options)[0];
  }

  /** Mean of (x − target)² over all elements → [1]. */
  meanSquaredError(x: Value, target: Value, options?: NodeOptions): Value {
    return this.apply(meanSquaredError, [x, target], {}, options)[0];
  }

  /** Joins values along an axis, by default the channels. */
  concat(values: readonly Value[], attributes: Partial<ConcatAttributes> = {}, options?: NodeOptions): Value {
    return this.apply(concat, values, attributes, options)[0];
  }

  /** Cuts a value along an axis, by default the channels, into pieces of the given sizes. */
  split(
    x: Value,
    attributes: Pick<SplitAttributes, 'sizes'> & Partial<SplitAttributes>,
    options?: NodeOptions,
  ): readonly Value[] {
    return this.apply(split, [x], attributes, options);
  }

  add(a: Value, b: Value, options?: NodeOptions): Value {
    return this.apply(add, [a, b], {}, options)[0];
  }

  /**
   * Crop, flips, translation, mean, noise and scale of images u8 or f32 [N, C, H, W] → f32 [N, C, h, w]; see `augment`. `random` is an
   * i32 input [4], read where the attributes leave something to chance; `colour` are offsets f32 [N, C], `meanImage` is f32 [C, H, W].
   */
  augment(
    images: Value,
    given: { readonly random?: Value; readonly colour?: Value; readonly meanImage?: Value },
    attributes: Partial<AugmentAttributes>,
    options?: NodeOptions,
  ): Value {
    const { random, colour, meanImage } = given;
    const read = [images, augmentIsRandom(attributes) ? random : undefined, colour, meanImage];
    const inputs = read.filter((value) => value !== undefined);
    return this.apply(augment, inputs, { ...attributes, colour: colour !== undefined }, options)[0];
  }

  /** A value of this graph by name. */
  find(name: string): Value {
    const value = this.values.find((candidate) => candidate.name === name);
    if (!value) throw new GraphError(`graph '${this.name}' has no value '${name}'`);
    return value;
  }

  build(): Graph {
    return {
      name: this.name,
      values: [...this.values],
      nodes: [...this.nodes],
      inputs: new Map(this.inputs),
      outputs: new Map(this.outputs),
      updates: new Map(this.updates),
    };
  }

  private value(value: Omit<Value, 'id'>): Value {
    if (value.shape.some((extent) => !Number.isInteger(extent) || extent < 1)) {
      throw new GraphError(
        `'${value.name}': every dimension must be a positive integer, got ${formatShape(value.shape)}`,
      );
    }
    if (value.kind !== 'intermediate' && this.valueNames.has(value.name)) {
      throw new GraphError(`the name '${value.name}' is used twice`);
    }
    const added = { ...value, name: this.unique(value.name, this.valueNames), id: this.values.length };
    this.values.push(added);
    return added;
  }

  private own(value: Value): Value {
    if (this.values[value.id] !== value) throw new GraphError(`'${value.name}' is a value of another graph`);
    return value;
  }

  private unique(wanted: string, taken: Set<string>): string {
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`;
    taken.add(name);
    return name;
  }
}
