/**
 * Figure 1 of the paper: epochs that a four-layer net without any regularisation takes to 25 % training error on CIFAR-10, with ReLU and
 * with tanh. The paper gives neither the net nor the rates; these are the layers of cuda-convnet's 19 % net, and of four rates each
 * activation gets the one with the lowest training error after two epochs.
 */
import type { Network } from '../../src/engine/network.js';
import { DivergenceError } from '../../src/errors.js';
import type { Model } from '../../src/models/model.js';
import { preset } from '../../src/models/presets.js';
import type { TrainingEvent } from '../../src/train/events.js';
import { Trainer } from '../../src/train/trainer.js';
import { type Curve, type Figure, rounded } from './record.js';
import { type Run, script } from './script.js';
import { dataFor, History, networkFor, stepsPerEpoch } from './training.js';

const rates = [0.0003, 0.001, 0.003, 0.01] as const;
const goal = 0.25;
const judgedAfter = 2;
const mostEpochs = 40;
/** Batches that the running training error is the mean of: 12,800 images, so that its standard error is 0.4 %. */
const recent = 100;

/** A training that can be left and taken up again. */
class Contender {
  /** Errors of the last batches, as shares. */
  private readonly errors: number[] = [];
  private diverged = false;
  /** Whether the running training error was at the goal. */
  reached = false;

  constructor(
    readonly rate: number,
    readonly network: Network<Model>,
    readonly history: History,
    private readonly events: AsyncGenerator<TrainingEvent>,
    private readonly perEpoch: number,
  ) {}

  /** Trains on to an epoch, or to the goal. */
  async train(epoch: number): Promise<void> {
    while (!this.diverged && !this.reached) {
      const next = await this.events.next().catch((error: unknown) => {
        if (!(error instanceof DivergenceError)) throw error;
        this.diverged = true;
        this.history.say(error.message);
      });
      if (!next || next.done) return;
      this.history.add(next.value);
      if (next.value.kind !== 'step') continue;
      this.note(1 - next.value.top1);
      if (next.value.step >= epoch * this.perEpoch) return;
    }
  }

  /** Infinite for one that has diverged. */
  get error(): number {
    if (this.diverged) return Number.POSITIVE_INFINITY;
    return this.errors.reduce((sum, error) => sum + error, 0) / this.errors.length;
  }

  async close(): Promise<void> {
    await this.events.return(undefined);
    await this.network.close();
  }

  private note(error: number): void {
    this.errors.push(error);
    if (this.errors.length > recent) this.errors.shift();
    if (this.errors.length === recent && this.error <= goal) this.reached = true;
  }
}

/** A training that ended before its goal has taken more than what it took so far. */
function figure(name: string, value: number, reached: boolean, unit: string): Figure {
  return reached ? { name, value: rounded(value), unit } : { name, value: null, above: rounded(value), unit };
}

async function work(run: Run) {
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  const notes: string[] = [];
  const reached: boolean[] = [];
  const epochs: number[] = [];
  const { train } = await dataFor(run, preset('cifar10-18pct'));
  for (const [label, activation] of [
    ['ReLU', 'relu'],
    ['tanh', 'tanh'],
  ] as const) {
    const layers = preset('cifar10-18pct', { lrn: false, activation });
    const { recipe } = layers;
    const perEpoch = stepsPerEpoch(train, recipe.batch);
    const steps = run.steps(mostEpochs * perEpoch, perEpoch / 4);
    const start = async (learningRate: number): Promise<Contender> => {
      const optimizer = { ...recipe.optimizer, weightDecay: 0 };
      const schedule = { kind: 'fixed' } as const;
      const model = { ...layers, recipe: { ...recipe, learningRate, optimizer, schedule, iterations: steps } };
      const network = await networkFor(run, model, train);
      const history = new History(run, `${label}, rate ${learningRate}`, steps, perEpoch);
      const trainer = new Trainer(network, { train, steps, reportEvery: 1, signal: run.signal });
      return new Contender(learningRate, network, history, trainer.fit(), perEpoch);
    };
    const contenders: Contender[] = [];
    const judged: string[] = [];
    for (const rate of rates) {
      const contender = await start(rate);
      await contender.train(judgedAfter);
      contenders.push(contender);
      const found = `${(100 * contender.error).toFixed(1)} %`;
      judged.push(`${rate}: ${found}`);
      contender.history.say(`${found} training error when judged`);
    }
    const best = contenders.reduce((a, b) => (b.error < a.error ? b : a));
    for (const contender of contenders) if (contender !== best) await contender.close();
    await best.train(mostEpochs);
    await best.close();
    run.signal.throwIfAborted();
    reached.push(best.reached);
    epochs.push(best.history.done / perEpoch);
    figures.push(figure(`epochs to 25 %, ${label}`, best.history.done / perEpoch, best.reached, ''));
    curves.push(...best.history.curves('epochs', ['error'], label));
    notes.push(`${label} learns at ${best.rate} (training error when judged: ${judged.join(', ')})`);
  }
  // Where ReLU did not get there, nothing is known of the ratio.
  const ratio = reached[0] ? figure('tanh ÷ ReLU', epochs[1] / epochs[0], reached[1], '×') : undefined;
  if (ratio) figures.push(ratio);
  return {
    name: 'figure1',
    goal: 'the ratio of epochs: the paper says about 6',
    figures,
    curves,
    note: `running error over ${recent} batches; at most ${mostEpochs} epochs; ${notes.join('; ')}`,
  };
}

await script('Figure 1 of the paper: ReLU against tanh without regularisation, to 25 % training error', work);
