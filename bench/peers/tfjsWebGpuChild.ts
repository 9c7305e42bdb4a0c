/** The process that `openTfjsWebGpu` starts. */
import type { Rank, Tensor, Tensor4D, Variable } from '@tensorflow/tfjs-core';
import { median } from '../../src/engine/profile.js';
import { openSafetensors } from '../../src/formats/safetensors.js';
import { type Implementation, importPeer, MissingPeer, type Mode } from '../implementation.js';
import { readFloats } from './floats.js';
import type { GraphDescription } from './graph.js';
import { provideGpu } from './nodeGpu.js';
import { serve } from './peerChild.js';
import { opsOf, type Tf } from './tfjsOps.js';

export interface Opening {
  readonly graph: GraphDescription;
  /** Safetensors. */
  readonly weights: string;
  /** Files of float32, [N, C, H, W]. */
  readonly images: readonly string[];
  readonly labels: readonly Int32Array[];
  readonly optimizer: { readonly momentum: number; readonly weightDecay: number };
}

/** Timed runs behind a figure of the adapter's clock. */
const deviceRepeats = 5;

async function open(opening: Opening): Promise<Implementation> {
  await provideGpu();
  const { tf, useWebGpu } = await importPeer('tfjs-webgpu', loadTfjs);
  await useWebGpu();
  if (!(await tf.setBackend('webgpu'))) throw new MissingPeer('tfjs-webgpu: its backend does not start here');
  await tf.ready();
  const network = new TfjsNetwork(tf, opening);
  await network.load(opening);
  // What it cannot do shows now.
  await network.logits(0);
  return network;
}

/** The file that the build makes of tfjs.ts. */
async function loadTfjs(): Promise<typeof import('./tfjs.js')> {
  return (await import(new URL('./tfjs.cjs', import.meta.url).href)).default;
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
    private readonly opening: Opening,
  ) {
    this.version = tf.version_core;
    this.ops = opsOf(tf);
    // With learning rate 0 all the arithmetic is done, and the weights stay what they are.
    this.optimizer = tf.train.momentum(0, opening.optimizer.momentum);
  }

  async load({ graph, weights, images, labels }: Opening): Promise<void> {
    const { tf, ops } = this;
    const unknown = graph.nodes.find(({ op }) => !(op in ops));
    if (unknown) throw new MissingPeer(`tfjs-webgpu: our script for it has no op ${unknown.op}`);
    const file = await openSafetensors(weights);
    for (const { id, name, shape } of graph.variables) {
      const tensor = tf.tensor(await file.read(name), [...shape]);
      const turned = shape.length === 4 ? tf.transpose(tensor, [2, 3, 1, 0]) : tensor;
      this.parameters.set(id, tf.variable(turned, true, name));
    }
    await file.close();
    const [batch, channels, height, width] = graph.imagesShape;
    for (const [i, path] of images.entries()) {
      const given = tf.tensor4d(await readFloats(path), [batch, channels, height, width]);
      this.inputs.push({ images: tf.transpose(given, [0, 2, 3, 1]), labels: tf.tensor1d(labels[i], 'int32') });
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
  async deviceMs(mode: Mode): Promise<number | undefined> {
    const times: number[] = [];
    for (let i = 0; i < deviceRepeats; i++) {
      const { kernelMs } = await this.tf.time(() => this.submit(mode, 0).dispose());
      if (typeof kernelMs !== 'number') return undefined;
      times.push(kernelMs);
    }
    return median(times);
  }

  async logits(index: number): Promise<Float32Array> {
    const logits = this.tf.tidy(() => this.evaluate(index, false).get(this.opening.graph.logits) as Tensor);
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
    const { graph, optimizer } = this.opening;
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
    const { graph } = this.opening;
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

serve(open);
