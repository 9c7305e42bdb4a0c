/** A network out of tfjs' own ops, on its WebGPU backend: in a process (tfjsWebGpuChild.ts) and in a page alike. */
import type { Rank, Tensor, Tensor4D, Variable } from '@tensorflow/tfjs-core';
import { median } from '../../src/engine/profile.js';
import { type Implementation, MissingPeer, type Mode } from '../implementation.js';
import type { GraphDescription } from './graph.js';
import { opsOf, type Tf } from './tfjsOps.js';

export interface TfjsSetting {
  readonly graph: GraphDescription;
  /** Of each input. */
  readonly labels: readonly ArrayLike<number>[];
  readonly optimizer: { readonly momentum: number; readonly weightDecay: number };
}

/** What it is filled with. */
export interface TfjsContents {
  weight(name: string): Promise<Float32Array>;
  /** [N, C, H, W] of each input. */
  images(index: number): Promise<Float32Array>;
}

/** Timed runs behind a figure of the adapter's clock: as many as fit into the budget, within limits. */
const deviceRepeats = { budgetMs: 5000, least: 1, most: 5 };

/** @throws MissingPeer where its WebGPU does not start, or has not what the network needs */
export async function openTfjsNetwork(
  { tf, useWebGpu }: typeof import('./tfjs.js'),
  setting: TfjsSetting,
  contents: TfjsContents,
): Promise<Implementation> {
  await useWebGpu();
  if (!(await tf.setBackend('webgpu'))) throw new MissingPeer('tfjs-webgpu: its backend does not start here');
  await tf.ready();
  const network = new TfjsNetwork(tf, setting);
  await network.load(contents);
  // What it cannot do shows now.
  await network.logits(0);
  return network;
}

/**
 * Images lie channels last and kernels [height][width][in][out], as tfjs wants them, turned once on the host; the vector before the first
 * fully connected layer is turned back, whose columns are in the order of channels.
 */
class TfjsNetwork implements Implementation {
  readonly name = 'tfjs-webgpu';
  readonly version: string;
  readonly backend = 'webgpu';
  readonly onAdapter = true;
  readonly threads = 1;
  readonly modes = ['forward', 'step'] as const;
  private readonly parameters = new Map<number, Variable>();
  private readonly inputs: { readonly images: Tensor4D; readonly labels: Tensor }[] = [];
  private readonly optimizer;
  private readonly ops;

  constructor(
    private readonly tf: Tf,
    private readonly setting: TfjsSetting,
  ) {
    this.version = tf.version_core;
    this.ops = opsOf(tf);
    // With learning rate 0 all the arithmetic is done, and the weights stay what they are.
    this.optimizer = tf.train.momentum(0, setting.optimizer.momentum);
  }

  async load(contents: TfjsContents): Promise<void> {
    const { tf, ops } = this;
    const { graph, labels } = this.setting;
    const unknown = graph.nodes.find(({ op }) => !(op in ops));
    if (unknown) throw new MissingPeer(`tfjs-webgpu: our script for it has no op ${unknown.op}`);
    for (const { id, name, shape } of graph.variables) {
      const tensor = tf.tensor(await contents.weight(name), [...shape]);
      const turned = shape.length === 4 ? tf.transpose(tensor, [2, 3, 1, 0]) : tensor;
      this.parameters.set(id, tf.variable(turned, true, name));
    }
    const [batch, channels, height, width] = graph.imagesShape;
    for (const [i, ofInput] of labels.entries()) {
      const given = tf.tensor4d(await contents.images(i), [batch, channels, height, width]);
      const classes = tf.tensor1d(Int32Array.from(ofInput), 'int32');
      this.inputs.push({ images: tf.transpose(given, [0, 2, 3, 1]), labels: classes });
    }
  }

  async run(mode: Mode, index: number): Promise<undefined> {
    const result = this.submit(mode, index);
    await result.data();
    result.dispose();
  }

  async inFlight(mode: Mode, count: number): Promise<number> {
    const start = performance.now();
    const results = Array.from({ length: count }, (_, i) => this.submit(mode, i % this.inputs.length));
    await results.at(-1)?.data();
    for (const result of results) result.dispose();
    return (performance.now() - start) / count;
  }

  /** The sum of its kernels, as its own profiler has it. */
  async deviceMs(mode: Mode, runMs: number): Promise<number | undefined> {
    const { budgetMs, least, most } = deviceRepeats;
    const repeats = Math.max(least, Math.min(most, Math.floor(budgetMs / runMs)));
    const times: number[] = [];
    for (let i = 0; i < repeats; i++) {
      const { kernelMs } = await this.tf.time(() => this.submit(mode, 0).dispose());
      if (typeof kernelMs !== 'number') return undefined;
      times.push(kernelMs);
    }
    return median(times);
  }

  async logits(index: number): Promise<Float32Array> {
    const logits = this.tf.tidy(() => this.evaluate(index, false).get(this.setting.graph.logits) as Tensor);
    const data = await logits.data();
    logits.dispose();
    return data as Float32Array;
  }

  async close(): Promise<void> {
    this.tf.disposeVariables();
  }

  /** Probabilities, or the loss of a step. */
  private submit(mode: Mode, index: number): Tensor<Rank> {
    const { tf } = this;
    const { graph, optimizer } = this.setting;
    if (mode === 'forward') {
      return tf.tidy(() => tf.softmax(this.evaluate(index, false).get(graph.logits) as Tensor));
    }
    return tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => this.evaluate(index, true).get(graph.loss) as never);
      const decayed = graph.variables.map(({ id, name, decayMultiplier }) => {
        const decay = optimizer.weightDecay * decayMultiplier;
        const weight = this.parameters.get(id) as Variable;
        return [name, decay === 0 ? grads[name] : tf.add(grads[name], tf.mul(weight, decay))] as const;
      });
      this.optimizer.applyGradients(Object.fromEntries(decayed) as Record<string, Variable>);
      return value;
    });
  }

  /** Values by id; without training no dropout and no loss. */
  private evaluate(index: number, training: boolean): Map<number, Tensor> {
    const { graph } = this.setting;
    const { images, labels } = this.inputs[index];
    const values = new Map<number, Tensor>([...this.parameters, [graph.images, images], [graph.labels, labels]]);
    for (const { op, attributes, inputs, output } of graph.nodes) {
      if (op === 'crossEntropy' && !training) continue;
      const given = inputs.map((id) => values.get(id) as Tensor);
      values.set(output, op === 'dropout' && !training ? given[0] : this.ops[op](attributes as never, given));
    }
    return values;
  }
}
