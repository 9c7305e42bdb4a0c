import type { Backend, Executable, RunOptions, RunResult } from '../backends/backend.js';
import { ArgumentError, TandemError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import { gradientName } from '../graph/differentiate.js';
import type { Plan } from '../plan/plan.js';
import type { NetworkDefinition } from './definition.js';
import { Feeds } from './feeds.js';
import { lossGraph } from './graphs.js';
import { checkImageInput, type ImageInput, inferenceImages, type StoredImages, trainingImages } from './imageInput.js';
import { checkCount, checkImages, checkLabels, checkWord } from './inputs.js';
import { type BatchForm, NetworkPrograms } from './networkPrograms.js';
import { countsSteps, type OptimizerSettings, stateNames, withChanges } from './optimizer.js';
import { ParameterStore } from './parameters.js';
import { foldLayers, median, type Profile, type StepTimes } from './profile.js';
import { ProgramCache } from './programs.js';
import type { Quantisation } from './quantisation.js';
import { checkRate, type Rates, ratesOf } from './rates.js';
import { checkMicroBatch, Stepping } from './stepping.js';
import type {
  ForwardOptions,
  ForwardResult,
  Frozen,
  GradientsOptions,
  GradientsResult,
  Images,
  LearningRate,
  NetworkOptions,
  PlanOptions,
  ProfileOptions,
  Step,
  StepOptions,
  VariableInfo,
} from './types.js';
import type { WeightSource } from './weights.js';

/** What a call says of the treatment of bytes. */
type StoredOptions = Pick<ForwardOptions, 'view'> & Pick<StepOptions, 'colourNoise'>;

/**
 * A model with its parameters on a backend. Any batch size will do: it is read off the length of `images`, and the
 * program for it is compiled when first met. Calls may be made without awaiting those before; they take effect in the order
 * in which they were made. Arrays that are handed in must not change until the call has settled.
 */
export class Network<M extends NetworkDefinition = NetworkDefinition> {
  readonly seed: number;
  /** All variables that hold what the network is: initial values, training and loading write them. */
  readonly store: ParameterStore;
  /** How stored images become the network's input, where they do. */
  readonly input: ImageInput | undefined;
  /** What `step` updates the parameters with. */
  readonly optimizer: OptimizerSettings;
  private readonly programs: NetworkPrograms;
  private readonly feeds: Feeds;
  private readonly stepping: Stepping;
  private readonly defaultRate: number;
  private readonly nodeNames: readonly string[];
  /** Whether the weights of fully connected layers are stored as int16. */
  private readonly int16: boolean;
  private frozenNames: ReadonlySet<string> = new Set();
  /** The last of the calls under way. */
  private tail: Promise<unknown> = Promise.resolve();
  private closing: Promise<void> | undefined;

  /** Networks are made by `Engine.network`. */
  constructor(
    backend: Backend,
    readonly model: M,
    options: NetworkOptions,
    private readonly onClose: () => void,
  ) {
    this.seed = checkCount('seed', options.seed ?? 1);
    this.defaultRate = checkRate(options.learningRate ?? model.recipe?.learningRate ?? 0.01);
    this.optimizer = withChanges(model.recipe?.optimizer, options.optimizer);
    this.int16 = checkWord('linearWeights', options.linearWeights ?? 'float32', ['float32', 'int16']) === 'int16';
    if (options.input) checkImageInput(model, options.input);
    this.input = options.input;
    const smallest = lossGraph(model, 1, false);
    this.nodeNames = smallest.nodes.map(({ name }) => name).filter((name) => name !== 'loss');
    this.store = new ParameterStore(backend, this.seed);
    const cache = new ProgramCache(backend, this.store, { algorithms: options.algorithms });
    this.programs = new NetworkPrograms(cache, model, this.optimizer, this.int16);
    this.feeds = new Feeds(this.seed, this.input);
    this.stepping = new Stepping(this.programs, this.feeds, model.classes, countsSteps(this.optimizer));
    this.store.declare(this.programs.stored(smallest));
    if (!this.int16) this.store.declare(stateGraph(model.name, this.store, this.optimizer));
    this.freeze(options.frozen ?? []);
  }

  /** Fills the parameters; called once by `Engine.network`. */
  initialise(weights: WeightSource | undefined): Promise<void> {
    return this.enqueue(undefined, () => this.store.initialise(weights));
  }

  /** Parameters in the order of the layers; their content is read and written by name. */
  get parameters(): readonly VariableInfo[] {
    return this.describe('parameter');
  }

  /** What the weights that are stored as int16 lost when they were last written; empty without `linearWeights: 'int16'`. */
  get quantisation(): readonly Quantisation[] {
    return this.store.quantisation();
  }

  /** The optimizer's variables, zero before the first step. With `parameters` and `stepCounter` they are all that resuming needs. */
  get states(): readonly VariableInfo[] {
    return this.describe('state');
  }

  /** Number of steps taken: with the seed it decides the masks of dropout. Set it to resume. */
  get stepCounter(): number {
    return this.stepping.count;
  }

  set stepCounter(count: number) {
    this.stepping.count = checkCount('stepCounter', count);
  }

  /** Replaces the set of parameters that `step` leaves alone, from the next call on. */
  freeze(frozen: Frozen): void {
    const names = this.store.names();
    if (typeof frozen === 'function') {
      this.frozenNames = new Set(names.filter(frozen));
      return;
    }
    const matches = (wanted: string) => names.filter((name) => name === wanted || name.startsWith(`${wanted}.`));
    for (const wanted of frozen) {
      if (matches(wanted).length === 0) {
        throw new ArgumentError(`frozen: there is no parameter or layer '${wanted}'; there are ${names.join(', ')}`);
      }
    }
    this.frozenNames = new Set(frozen.flatMap(matches));
  }

  /**
   * Logits and probabilities of a batch, without dropout.
   *
   * @param images [N, C, H, W], preprocessed as the model wants it, or stored bytes [N, ...input.shape]
   * @throws InputError for a wrong length, NaN or infinities; ArgumentError for a view that cannot be
   */
  async forward(images: Images, options: ForwardOptions = {}): Promise<ForwardResult> {
    const { view } = options;
    if (view && !(images instanceof Uint8Array)) throw new ArgumentError('view: it is for images that are bytes');
    const form = this.batchOf(images, 'forward', { view });
    const layers = this.layerNames(options.layers ?? false);
    return this.enqueue(options.signal, async () => {
      const program = await this.programs.inference(form, layers);
      const run = { into: options.into, signal: options.signal };
      const { outputs } = await program.run(this.feeds.images(images, form.stored), run);
      return {
        logits: outputs.logits,
        probabilities: outputs.probabilities,
        layers: Object.fromEntries(layers.map((name) => [name, outputs[name]])),
      };
    });
  }

  /**
   * One training step: forward with dropout, backward, and the update of every parameter that is not frozen.
   *
   * @param images [N, C, H, W], or stored bytes [N, ...input.shape]
   * @param labels N class indices
   * @throws InputError for images or labels that cannot be, ArgumentError for options that cannot, or a network with int16 weights
   */
  async step(images: Images, labels: ArrayLike<number>, options: StepOptions = {}): Promise<Step> {
    this.expectTrainable('step');
    const { batch, stored } = this.batchOf(images, 'step', options);
    const request = {
      images,
      stored,
      labels: checkLabels(this.model, labels, batch),
      rates: this.rates(options.learningRate),
      microBatch: checkMicroBatch(options.microBatch, batch),
      signal: options.signal,
    };
    return this.enqueue(options.signal, () => this.stepping.step(request));
  }

  /** Loss of a batch and its gradients by name; changes nothing. */
  async gradients(images: Images, labels: ArrayLike<number>, options: GradientsOptions = {}): Promise<GradientsResult> {
    this.expectTrainable('gradients');
    const { dropout = true, signal } = options;
    const form = this.batchOf(images, dropout ? 'backward' : 'forward');
    const checked = checkLabels(this.model, labels, form.batch);
    const of = options.of ?? this.trained();
    const into = Object.entries(options.into ?? {}).map(([name, array]) => [gradientName(name), array]);
    return this.enqueue(signal, async () => {
      for (const name of of) if (name !== 'images') this.store.shape(name);
      const program = await this.programs.gradients(form, of, dropout);
      const feed = this.feeds.training(images, checked, form.stored, { step: this.stepping.count });
      const { outputs } = await program.run(feed, { into: Object.fromEntries(into), signal });
      return {
        loss: outputs.loss[0],
        logits: outputs.logits,
        gradients: Object.fromEntries(of.map((name) => [name, outputs[gradientName(name)]])),
      };
    });
  }

  /** Content of a variable by name, copied out, into `into` when given. */
  async read(name: string, into?: Float32Array): Promise<Float32Array> {
    return this.enqueue(undefined, () => this.store.read(name, into));
  }

  /** @throws ArgumentError for an unknown name, InputError for a wrong number of elements */
  async write(name: string, data: Float32Array): Promise<void> {
    return this.enqueue(undefined, () => this.store.write(name, data));
  }

  /**
   * Time per layer, median over several runs. 'backward' leaves the forward layers out of the table; 'step' really trains.
   *
   * @param labels not needed for 'forward'
   */
  async profile(
    mode: Profile['mode'],
    images: Images,
    labels?: ArrayLike<number>,
    options: ProfileOptions = {},
  ): Promise<Profile> {
    if (mode !== 'forward') this.expectTrainable(`profile of '${mode}'`);
    const form = this.batchOf(images, mode);
    const { batch, stored } = form;
    const repeats = checkCount('repeats', options.repeats ?? 5, 1);
    const average = checkWord('average', options.average ?? 'median', ['median', 'mean']);
    const checked = mode === 'forward' ? new Int32Array(batch) : checkLabels(this.model, labels ?? [], batch);
    const rates = this.rates();
    return this.enqueue(options.signal, async () => {
      const run: RunOptions = { timings: true, signal: options.signal };
      const program = await this.programOf(mode, form, rates);
      const { feeds, stepping } = this;
      const once = async (): Promise<RunResult> => {
        if (mode === 'forward') return program.run(feeds.images(images, stored), run);
        if (mode === 'backward') {
          return program.run(feeds.training(images, checked, stored, { step: stepping.count }), {
            ...run,
            fetch: ['loss'],
          });
        }
        const result = await program.run(stepping.feed({ images, labels: checked, rates, stored }), run);
        stepping.count++;
        return result;
      };
      await once();
      const runs: StepTimes[] = [];
      const walls: number[] = [];
      for (let i = 0; i < repeats; i++) {
        const start = performance.now();
        const { timings, products } = await once();
        walls.push(performance.now() - start);
        if (timings) runs.push({ timings, products });
      }
      const layers = foldLayers(program.plan, runs, mode === 'backward' ? ['backward'] : undefined, average);
      const totalMs = layers.reduce((total, { ms }) => total + ms, 0);
      return { mode, batch, repeats, layers, totalMs, wallMs: median(walls) };
    });
  }

  /** How a batch will be computed; compiles, runs nothing. */
  async plan(of: PlanOptions): Promise<Plan> {
    if (of.mode === 'training') this.expectTrainable('plan for training');
    return this.planned(of, async (program) => program.plan);
  }

  /**
   * Compiles the program for a batch and packs the parameters for it, so that the first `forward` (or `step`) of that batch
   * starts at once.
   */
  async prepare(of: PlanOptions): Promise<void> {
    return this.planned(of, (program) => program.prepare());
  }

  /** Waits for the calls under way and frees everything. */
  close(): Promise<void> {
    this.closing ??= this.tail.then(async () => {
      await this.stepping.settle();
      this.programs.clear();
      this.store.close();
      this.onClose();
    });
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private planned<T>({ mode, batch, bytes }: PlanOptions, use: (program: Executable) => Promise<T>): Promise<T> {
    checkCount('batch', batch, 1);
    const call = mode === 'inference' ? 'forward' : 'step';
    const form = { batch, stored: bytes ? this.storedImages(call) : undefined };
    const rates = this.rates();
    return this.enqueue(undefined, async () => use(await this.programOf(call, form, rates)));
  }

  /** Calls of one network follow one another, whether or not they are awaited, and whether or not one of them fails. */
  private enqueue<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    if (this.closing) return Promise.reject(new TandemError(`network '${this.model.name}' is closed`));
    const result = this.tail.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    this.tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  private programOf(mode: Profile['mode'], form: BatchForm, rates: Rates): Promise<Executable> {
    if (mode === 'forward') return this.programs.inference(form, []);
    if (mode === 'backward') return this.programs.gradients(form, rates.trained, true);
    return this.programs.step(form, rates);
  }

  /** Checks a batch; `mode` and the options say how bytes, if it has them, are to be treated. */
  private batchOf(images: Images, mode: Profile['mode'], options: StoredOptions = {}): BatchForm {
    const batch = checkImages(this.model, images, this.input);
    return images instanceof Uint8Array ? { batch, stored: this.storedImages(mode, options) } : { batch };
  }

  private storedImages(mode: Profile['mode'], { view, colourNoise = true }: StoredOptions = {}): StoredImages {
    if (!this.input) throw new ArgumentError(`network '${this.model.name}' has no \`input\`: it takes no bytes`);
    if (mode === 'forward') return inferenceImages(this.model, this.input, view);
    return trainingImages(this.model, this.input, colourNoise);
  }

  private expectTrainable(what: string): void {
    if (!this.int16) return;
    throw new ArgumentError(
      `${what}: network '${this.model.name}' has int16 weights, which are for inference; open it with linearWeights: 'float32'`,
    );
  }

  private rates(rate: LearningRate = this.defaultRate): Rates {
    return ratesOf(rate, this.trained());
  }

  private trained(): string[] {
    return this.store.names().filter((name) => !this.isFrozen(name));
  }

  private describe(role: VariableInfo['role']): VariableInfo[] {
    return this.store.names(role).map((name) => ({
      name,
      shape: this.store.shape(name),
      role,
      frozen: this.isFrozen(name),
    }));
  }

  /** A learning rate of 0 freezes for good: nothing is computed for such a parameter, which may not even have a gradient. */
  private isFrozen(name: string): boolean {
    return this.frozenNames.has(name) || this.store.spec(name).learningRateMultiplier === 0;
  }

  private layerNames(layers: boolean | readonly string[]): readonly string[] {
    if (layers === false) return [];
    if (layers === true) return this.nodeNames;
    for (const name of layers) {
      if (this.nodeNames.includes(name)) continue;
      throw new ArgumentError(`layers: there is no node '${name}'; there are ${this.nodeNames.join(', ')}`);
    }
    return layers;
  }
}

/** A graph that only declares the optimizer's variables, so that they can be read and written before the first step. */
function stateGraph(model: string, store: ParameterStore, optimizer: OptimizerSettings) {
  const g = new GraphBuilder(model);
  for (const parameter of store.names()) {
    for (const name of stateNames(optimizer, parameter)) {
      g.variable(name, store.shape(parameter), { kind: 'constant', value: 0 }, { role: 'state' });
    }
  }
  return g.build();
}
