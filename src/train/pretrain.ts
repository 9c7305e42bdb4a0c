/** Greedy layer-wise pre-training: each convolution in turn learns to give back what the layers before it hand to it. */
import type { TypedArray } from '../backends/backend.js';
import type { Dataset } from '../data/dataset.js';
import { batches, epochOrder } from '../data/loader.js';
import type { Engine } from '../engine/engine.js';
import { lossSeed } from '../engine/graphs.js';
import { storedInputs } from '../engine/imageInput.js';
import { checkCount, checkImages } from '../engine/inputs.js';
import type { Network } from '../engine/network.js';
import { type OptimizerSettings, withChanges } from '../engine/optimizer.js';
import type { Program } from '../engine/program.js';
import { checkRate } from '../engine/rates.js';
import { ArgumentError, DivergenceError, InputError } from '../errors.js';
import { elements, formatShape, sameShape } from '../ops/define.js';
import { split64 } from '../ops/lib/philox.js';
import { type Autoencoder, autoencoder, convolutionsOf, forwardGraph } from './autoencoder.js';
import { isFiniteArray } from './finite.js';

export interface PretrainOptions {
  /** Stored images, for a network with `input`; or preprocessed ones [N, C, H, W], for any. */
  readonly data: Dataset | Float32Array;
  /** Of each layer, 500 by default. */
  readonly steps?: number;
  /** 64 images by default. */
  readonly batch?: number;
  /** 0.001 by default. */
  readonly learningRate?: number;
  /** Adam by default, whose steps do not depend on the scale of a layer's input. */
  readonly optimizer?: OptimizerSettings;
  /** Names of the convolutions to train; all by default. Those between them stay as they are. */
  readonly layers?: readonly string[];
  /** Probability with which an element of a layer's input is hidden from the encoder, 0 by default: a denoising autoencoder. */
  readonly noise?: number;
  /** Of the order of the images and of the noise; that of the network by default. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** One step; the loss is that of before its update. */
export interface PretrainingEvent {
  /** Name of the convolution: 'conv1'. */
  readonly layer: string;
  /** From 1 to `steps`, in each layer anew. */
  readonly step: number;
  readonly steps: number;
  /** Mean over the batch and all elements of the layer's input of (reconstruction − input)². */
  readonly loss: number;
}

/**
 * Pre-trains the convolutions of a network, first to last, as autoencoders with tied weights (see `autoencoder`), without labels. The
 * layers before the one in training are as pre-training has left them, without dropout, and stored images are treated as in `forward`.
 *
 * What a layer has learned is written to the network after its last step, times the factor that gives its output the root mean square
 * that it had before: the features are new, and of the size that a recipe's rates and the next layers' first weights were chosen for.
 * Whoever leaves or aborts keeps the layers that were finished, and the others as they were. Nothing else of the network changes; no
 * step may train it meanwhile.
 *
 * @throws ArgumentError for options that cannot be, or a convolution without weights of its own; InputError for images that do not suit
 * the network; DivergenceError naming the layer and the step when a number is not finite
 */
export async function* pretrain(
  engine: Engine,
  network: Network,
  options: PretrainOptions,
): AsyncGenerator<PretrainingEvent> {
  const { data, layers, noise = 0, signal } = options;
  const steps = checkCount('steps', options.steps ?? 500, 1);
  const batch = checkCount('batch', options.batch ?? 64, 1);
  const rate = checkRate(options.learningRate ?? 0.001);
  const seed = checkCount('seed', options.seed ?? network.seed);
  if (!(noise >= 0 && noise < 1)) throw new ArgumentError(`noise must be from 0 to below 1, got ${noise}`);
  const optimizer = withChanges(options.optimizer ?? { kind: 'adam' });
  checkData(network, data, batch);
  const forward = forwardGraph(network.model, batch, data instanceof Float32Array ? undefined : network.input);
  for (const convolution of convolutionsOf(forward, layers)) {
    const cut = autoencoder(forward, convolution, { optimizer, noise });
    const own = new Set(network.parameters.map(({ name }) => name));
    // Variables of its own: the network's store would keep the decoder and the optimizer's state among its parameters and states.
    const weights = { get: (name: string) => (own.has(name) ? network.read(name) : undefined) };
    const program = await engine.compile(cut.graph, { weights });
    const layer = new Layer(convolution.name, cut, program, { rate, seed, noise, signal });
    try {
      for await (const images of imagesOf(network, data, { batch, seed, signal })) {
        const loss = await layer.train(images);
        if (layer.step === steps) await layer.keep(network);
        yield { layer: convolution.name, step: layer.step, steps, loss };
        if (layer.step === steps) break;
      }
    } finally {
      await program.close();
    }
  }
}

interface Settings {
  readonly rate: number;
  readonly seed: number;
  readonly noise: number;
  readonly signal?: AbortSignal;
}

type Inputs = Readonly<Record<string, TypedArray>>;

/** A convolution in training. */
class Layer {
  step = 0;
  /** The first batch, and the size of what the untrained layer made of it. */
  private first: { readonly images: Inputs; readonly size: number } | undefined;

  constructor(
    private readonly name: string,
    private readonly cut: Autoencoder,
    private readonly program: Program,
    private readonly settings: Settings,
  ) {}

  /** One step; returns the loss of before its update. */
  async train(images: Inputs): Promise<number> {
    this.step++;
    const { signal } = this.settings;
    const fetch = this.first ? ['loss'] : ['loss', 'code'];
    const { outputs } = await this.program.run({ ...images, ...this.inputs(this.step) }, { fetch, signal });
    this.expectFinite(outputs.loss, 'loss');
    if (!this.first) {
      const copies = Object.entries(images).map(([name, data]) => [name, data.slice()]);
      this.first = { images: Object.fromEntries(copies), size: rootMeanSquare(outputs.code) };
    }
    return outputs.loss[0];
  }

  /** Gives the network what was learned, in the size that the layer's output had. */
  async keep(network: Network): Promise<void> {
    const { cut, program, first } = this;
    if (!first) return;
    const learned = new Map<string, Float32Array>();
    for (const name of cut.trained) learned.set(name, await program.variables.read(name));
    // The figures of a step are those of before its update, and what it updates is not read any more.
    const { outputs } = await program.run({ ...first.images, ...this.inputs(1) }, { fetch: ['code'] });
    const factor = first.size / rootMeanSquare(outputs.code);
    for (const [name, data] of learned) {
      this.expectFinite(data, name);
      // A layer that began or ended with nothing but zeros has no size to be kept.
      learned.set(name, Number.isFinite(factor) && factor > 0 ? data.map((value) => factor * value) : data);
    }
    for (const [name, data] of learned) await network.write(name, data);
  }

  private inputs(step: number): Inputs {
    const { rate, noise, seed } = this.settings;
    return {
      [lossSeed]: Float32Array.of(1),
      learningRate: Float32Array.of(rate),
      ...(this.cut.countsSteps ? { step: Float32Array.of(step) } : {}),
      ...(noise > 0 ? { random: Int32Array.from([...split64(seed), ...split64(step)]) } : {}),
    };
  }

  private expectFinite(data: Float32Array, what: string): void {
    if (isFiniteArray(data)) return;
    const { name, step } = this;
    const message = `pre-training of '${name}' has diverged: ${what} is not finite after step ${step}; try a lower learning rate`;
    throw new DivergenceError(message, step, name);
  }
}

function rootMeanSquare(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
  return Math.sqrt(sum / values.length);
}

/** @throws InputError or ArgumentError */
function checkData(network: Network, data: Dataset | Float32Array, batch: number): void {
  const { model, input } = network;
  if (data instanceof Float32Array) {
    const images = checkImages(model, data);
    if (images < batch) throw new InputError(`data: ${images} images, expected at least the ${batch} of one batch`);
    return;
  }
  if (!input) {
    throw new ArgumentError(
      `network '${model.name}' does not say how it reads bytes: open it with 'input' (see imageInput), or give images as float32`,
    );
  }
  if (!sameShape(data.shape, input.shape)) {
    const [own, wanted] = [data.shape, input.shape].map(formatShape);
    throw new InputError(`${data.name}: its images are ${own}, network '${model.name}' reads ${wanted}`);
  }
}

/** Inputs of the forward graph: whole batches, epoch after epoch, without end. */
async function* imagesOf(
  network: Network,
  data: Dataset | Float32Array,
  { batch, seed, signal }: { readonly batch: number; readonly seed: number; readonly signal?: AbortSignal },
): AsyncGenerator<Inputs> {
  const size = elements(network.model.inputShape);
  const meanImage = network.input?.meanImage;
  for (let epoch = 0; ; epoch++) {
    if (!(data instanceof Float32Array)) {
      for await (const { images } of batches(data, { batch, seed, epoch, whole: true, signal })) {
        yield { [storedInputs.bytes]: images, ...(meanImage ? { [storedInputs.meanImage]: meanImage } : {}) };
      }
      continue;
    }
    const order = epochOrder(data.length / size, seed, epoch);
    const images = new Float32Array(batch * size);
    for (let at = 0; at + batch <= order.length; at += batch) {
      for (let i = 0; i < batch; i++)
        images.set(data.subarray(order[at + i] * size, (order[at + i] + 1) * size), i * size);
      yield { images };
    }
  }
}
