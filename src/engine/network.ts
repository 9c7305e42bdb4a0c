import type { Backend, Executable, RunOptions, RunResult, TypedArray } from '../backends/backend.js';
import { ArgumentError, TandemError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import { gradientName } from '../graph/differentiate.js';
import type { Graph } from '../graph/graph.js';
import { quantiseLinear } from '../graph/quantise.js';
import { split64 } from '../ops/lib/philox.js';
import type { Plan } from '../plan/plan.js';
import type { NetworkDefinition } from './definition.js';
import { gradientsGraph, inferenceGraph, lossGraph, lossSeed, stepGraph } from './graphs.js';
import { checkCount, checkImages, checkLabels, checkRate, checkWord } from './inputs.js';
import { topAccuracy } from './metrics.js';
import { countsSteps, type OptimizerSettings, stateNames, withChanges } from './optimizer.js';
import { ParameterStore } from './parameters.js';
import { foldLayers, median, type Profile, type StepTimes } from './profile.js';
import { ProgramCache } from './programs.js';
import type { Quantisation } from './quantisation.js';
import type {
  ForwardOptions,
  ForwardResult,
  Frozen,
  GradientsOptions,
  GradientsResult,
  NetworkOptions,
  ProfileOptions,
  Step,
  StepOptions,
  VariableInfo,
} from './types.js';
import type { WeightSource } from './weights.js';

/**
 * A model with its parameters on a backend. Any batch size will do: it is read off the length of `images`, and the
 * program for it is compiled when first met. Calls may be made without awaiting those before; they take effect in the order
 * in which they were made. Arrays that are handed in must not change until the call has settled.
 */
export class Network<M extends NetworkDefinition = NetworkDefinition> {
  readonly seed: number;
  /** All variables that hold what the network is: initial values, training and loading write them. */
  readonly store: ParameterStore;
  private readonly programs: ProgramCache;
  private readonly optimizer: OptimizerSettings;
  private readonly defaultRate: number;
  private readonly nodeNames: readonly string[];
  /** Whether the weights of fully connected layers are stored as int16. */
  private readonly int16: boolean;
  private frozenNames: ReadonlySet<string> = new Set();
  private steps = 0;
  /** The last of the calls under way. */
  private tail: Promise<unknown> = Promise.resolve();
  private closing: Promise<void> | undefined;
  /** The last two steps, which the device may still be computing, and the logits that their accuracies are taken from. */
  private readonly lastSteps: Promise<unknown>[] = [];
  private stepLogits: readonly Float32Array[] = [];

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
    const smallest = lossGraph(model, 1, false);
    this.nodeNames = smallest.nodes.map(({ name }) => name).filter((name) => name !== 'loss');
    this.store = new ParameterStore(backend, this.seed);
    this.store.declare(this.stored(smallest));
    if (!this.int16) this.store.declare(stateGraph(model.name, this.store, this.optimizer));
    this.programs = new ProgramCache(backend, this.store, { algorithms: options.algorithms });
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
    return this.steps;
  }

  set stepCounter(count: number) {
    this.steps = checkCount('stepCounter', count);
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
   * @param images [N, C, H, W], preprocessed as the model wants it
   * @throws InputError for a wrong length, NaN or infinities
   */
  async forward(images: Float32Array, options: ForwardOptions = {}): Promise<ForwardResult> {
    const batch = checkImages(this.model, images);
    const layers = this.layerNames(options.layers ?? false);
    return this.enqueue(options.signal, async () => {
      const program = await this.inference(batch, layers);
      const { outputs } = await program.run({ images }, { into: options.into, signal: options.signal });
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
   * @param images [N, C, H, W]
   * @param labels N class indices
   * @throws InputError for images or labels that cannot be, ArgumentError for a network with int16 weights
   */
  async step(images: Float32Array, labels: ArrayLike<number>, options: StepOptions = {}): Promise<Step> {
    this.expectTrainable('step');
    const batch = checkImages(this.model, images);
    const checked = checkLabels(this.model, labels, batch);
    const rate = checkRate(options.learningRate ?? this.defaultRate);
    const trained = this.trained();
    return this.enqueue(options.signal, async () => {
      const program = await this.training(batch, trained);
      const { classes } = this.model;
      const slot = this.steps % 2;
      await this.lastSteps[slot];
      if (this.stepLogits[slot]?.length !== batch * classes) {
        await Promise.all(this.lastSteps);
        this.stepLogits = [0, 1].map(() => new Float32Array(batch * classes));
      }
      const inputs = this.stepInputs(images, checked, rate);
      const run = { into: { logits: this.stepLogits[slot] }, signal: options.signal };
      // Where the device computes beside this thread the next step can be prepared meanwhile.
      const finished = program.start
        ? (await program.start(inputs, run)).finished
        : Promise.resolve(await program.run(inputs, run));
      this.steps++;
      const figures = finished.then(({ outputs: { loss, logits } }) => ({
        loss: loss[0],
        top1: topAccuracy(logits, classes, checked, 1),
        top5: topAccuracy(logits, classes, checked, 5),
      }));
      this.lastSteps[slot] = figures.catch(() => undefined);
      return { batch, loss: figure(figures, 'loss'), top1: figure(figures, 'top1'), top5: figure(figures, 'top5') };
    });
  }

  /** Loss of a batch and its gradients by name; changes nothing. */
  async gradients(
    images: Float32Array,
    labels: ArrayLike<number>,
    options: GradientsOptions = {},
  ): Promise<GradientsResult> {
    this.expectTrainable('gradients');
    const batch = checkImages(this.model, images);
    const checked = checkLabels(this.model, labels, batch);
    const of = options.of ?? this.trained();
    const into = Object.entries(options.into ?? {}).map(([name, array]) => [gradientName(name), array]);
    return this.enqueue(options.signal, async () => {
      for (const name of of) if (name !== 'images') this.store.shape(name);
      const program = await this.backward(batch, of, options.dropout ?? true);
      const { outputs } = await program.run(this.gradientInputs(images, checked), {
        into: Object.fromEntries(into),
        signal: options.signal,
      });
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
    images: Float32Array,
    labels?: ArrayLike<number>,
    options: ProfileOptions = {},
  ): Promise<Profile> {
    if (mode !== 'forward') this.expectTrainable(`profile of '${mode}'`);
    const batch = checkImages(this.model, images);
    const repeats = checkCount('repeats', options.repeats ?? 5, 1);
    const checked = mode === 'forward' ? new Int32Array(batch) : checkLabels(this.model, labels ?? [], batch);
    const trained = this.trained();
    return this.enqueue(options.signal, async () => {
      const run: RunOptions = { timings: true, signal: options.signal };
      const program = await this.programOf(mode, batch, trained);
      const once = async (): Promise<RunResult> => {
        if (mode === 'forward') return program.run({ images }, run);
        if (mode === 'backward') return program.run(this.gradientInputs(images, checked), { ...run, fetch: ['loss'] });
        const result = await program.run(this.stepInputs(images, checked, this.defaultRate), run);
        this.steps++;
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
      const layers = foldLayers(program.plan, runs, mode === 'backward' ? ['backward'] : undefined);
      const totalMs = layers.reduce((total, { ms }) => total + ms, 0);
      return { mode, batch, repeats, layers, totalMs, wallMs: median(walls) };
    });
  }

  /** How a batch will be computed; compiles, runs nothing. */
  async plan({ mode, batch }: { mode: 'inference' | 'training'; batch: number }): Promise<Plan> {
    if (mode === 'training') this.expectTrainable('plan for training');
    checkCount('batch', batch, 1);
    const trained = this.trained();
    return this.enqueue(undefined, async () => {
      const program = await this.programOf(mode === 'inference' ? 'forward' : 'step', batch, trained);
      return program.plan;
    });
  }

  /**
   * Compiles the program for a batch and packs the parameters for it, so that the first `forward` (or `step`) of that batch
   * starts at once.
   */
  async prepare({ mode, batch }: { mode: 'inference' | 'training'; batch: number }): Promise<void> {
    checkCount('batch', batch, 1);
    const trained = this.trained();
    return this.enqueue(undefined, async () => {
      const program = await this.programOf(mode === 'inference' ? 'forward' : 'step', batch, trained);
      await program.prepare();
    });
  }

  /** Waits for the calls under way and frees everything. */
  close(): Promise<void> {
    this.closing ??= this.tail.then(async () => {
      await Promise.all(this.lastSteps);
      this.programs.clear();
      this.store.close();
      this.onClose();
    });
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
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

  private programOf(mode: Profile['mode'], batch: number, trained: readonly string[]): Promise<Executable> {
    if (mode === 'forward') return this.inference(batch, []);
    if (mode === 'backward') return this.backward(batch, trained, true);
    return this.training(batch, trained);
  }

  private inference(batch: number, layers: readonly string[]): Promise<Executable> {
    return this.programs.get(`inference ${batch} ${layers}`, () =>
      this.stored(inferenceGraph(this.model, batch, layers)),
    );
  }

  private backward(batch: number, of: readonly string[], dropout: boolean): Promise<Executable> {
    const key = `gradients ${batch} ${dropout} ${of}`;
    return this.programs.get(key, () => gradientsGraph(this.model, batch, of, dropout));
  }

  private training(batch: number, trained: readonly string[]): Promise<Executable> {
    if (trained.length === 0) throw new ArgumentError('all parameters are frozen: there is nothing to train');
    return this.programs.get(`step ${batch} ${trained}`, () => stepGraph(this.model, batch, trained, this.optimizer));
  }

  /** The graph with its weights as this network stores them. */
  private stored(graph: Graph): Graph {
    return this.int16 ? quantiseLinear(graph) : graph;
  }

  private expectTrainable(what: string): void {
    if (!this.int16) return;
    throw new ArgumentError(
      `${what}: network '${this.model.name}' has int16 weights, which are for inference; open it with linearWeights: 'float32'`,
    );
  }

  private gradientInputs(images: Float32Array, labels: Int32Array) {
    const random = Int32Array.from([...split64(this.seed), ...split64(this.steps)]);
    return { images, labels, random, [lossSeed]: Float32Array.of(1) };
  }

  private stepInputs(images: Float32Array, labels: Int32Array, rate: number): Record<string, TypedArray> {
    const inputs = { ...this.gradientInputs(images, labels), learningRate: Float32Array.of(rate) };
    return countsSteps(this.optimizer) ? { ...inputs, step: Float32Array.of(this.steps + 1) } : inputs;
  }

  private trained(): string[] {
    return this.store.names().filter((name) => !this.frozenNames.has(name));
  }

  private describe(role: VariableInfo['role']): VariableInfo[] {
    return this.store.names(role).map((name) => ({
      name,
      shape: this.store.shape(name),
      role,
      frozen: this.frozenNames.has(name),
    }));
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

/** One of a step's figures. Whoever does not wait for it hears of a failure at the next call. */
function figure<K extends string>(figures: Promise<Readonly<Record<K, number>>>, name: K): Promise<number> {
  const value = figures.then((known) => known[name]);
  value.catch(() => undefined);
  return value;
}
