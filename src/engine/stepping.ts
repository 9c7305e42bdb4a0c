/** The training steps of one network: which programs run on a batch, and the figures that come of it. */
import type { Executable, RunOptions, RunResult } from '../backends/backend.js';
import { ArgumentError } from '../errors.js';
import { type Feed, type Feeds, mostParts } from './feeds.js';
import { keepInput } from './graphs.js';
import type { StoredImages } from './imageInput.js';
import { checkCount } from './inputs.js';
import { topAccuracy } from './metrics.js';
import type { NetworkPrograms } from './networkPrograms.js';
import { type Rates, rateInput } from './rates.js';
import type { Images, Step } from './types.js';

/** A step that has been checked. */
export interface StepRequest {
  readonly images: Images;
  readonly labels: Int32Array;
  readonly rates: Rates;
  /** How the graphs begin, where images are bytes. */
  readonly stored?: StoredImages;
  /** Images in each part of the batch; the whole batch is one part where it is as large. */
  readonly microBatch: number;
  readonly signal?: AbortSignal;
}

/**
 * The size of the parts of a batch; all of it by default.
 *
 * @throws ArgumentError for a size that cannot be, or makes more parts than can have draws of their own
 */
export function checkMicroBatch(microBatch: number | undefined, batch: number): number {
  if (microBatch === undefined) return batch;
  const size = Math.min(checkCount('microBatch', microBatch, 1), batch);
  if (Math.ceil(batch / size) > mostParts) {
    throw new ArgumentError(
      `microBatch must be at least ${Math.ceil(batch / mostParts)} for ${batch} images, got ${size}`,
    );
  }
  return size;
}

export class Stepping {
  /** Number of steps taken. */
  count = 0;
  /** The last two steps, which the device may still be computing, and the logits that their accuracies are taken from. */
  private readonly last: Promise<unknown>[] = [];
  private logits: readonly Float32Array[] = [];
  /** The last two parts of batches, of this step or the one before. */
  private lastParts: readonly Promise<unknown>[] = [];

  constructor(
    private readonly programs: NetworkPrograms,
    private readonly feeds: Feeds,
    private readonly classes: number,
    /** Whether updates count the steps. */
    private readonly counted: boolean,
  ) {}

  async step(request: StepRequest): Promise<Step> {
    const { labels, microBatch } = request;
    const { classes } = this;
    const batch = labels.length;
    const slot = this.count % 2;
    await this.last[slot];
    if (this.logits[slot]?.length !== batch * classes) {
      await Promise.all(this.last);
      this.logits = [0, 1].map(() => new Float32Array(batch * classes));
    }
    const logits = this.logits[slot];
    const { loss } = microBatch < batch ? await this.inParts(request, logits) : await this.atOnce(request, logits);
    this.count++;
    const figures = loss.then((value) => ({
      loss: value,
      top1: topAccuracy(logits, classes, labels, 1),
      top5: topAccuracy(logits, classes, labels, 5),
    }));
    this.last[slot] = figures.catch(() => undefined);
    return { batch, loss: figure(figures, 'loss'), top1: figure(figures, 'top1'), top5: figure(figures, 'top5') };
  }

  /** What the program of a whole step is run on. */
  feed({ images, labels, rates, stored }: Omit<StepRequest, 'microBatch'>): Feed {
    return { ...this.feeds.training(images, labels, stored, { step: this.count }), ...this.updateFeed(rates) };
  }

  /** Waits until the device has finished. */
  async settle(): Promise<void> {
    await Promise.all(this.last);
  }

  private async atOnce(request: StepRequest, logits: Float32Array): Promise<{ readonly loss: Promise<number> }> {
    const { labels, rates, stored, signal } = request;
    const program = await this.programs.step({ batch: labels.length, stored }, rates);
    const { finished } = await launch(program, this.feed(request), { into: { logits }, signal });
    return { loss: finished.then(({ outputs }) => outputs.loss[0]) };
  }

  /** The loss is the mean over the batch of before the update, and so is the gradient. */
  private async inParts(request: StepRequest, logits: Float32Array): Promise<{ readonly loss: Promise<number> }> {
    const { images, labels, rates, stored, microBatch, signal } = request;
    const batch = labels.length;
    const perImage = images.length / batch;
    const update = await this.programs.update(rates);
    const losses: Promise<number>[] = [];
    for (let from = 0, part = 0; from < batch; from += microBatch, part++) {
      const end = Math.min(from + microBatch, batch);
      const share = (end - from) / batch;
      const program = await this.programs.accumulation({ batch: end - from, stored }, rates);
      // One part is computed and one waits, as with steps: results need no more memory than that.
      if (this.lastParts.length === 2) await this.lastParts[0];
      const own = images.subarray(from * perImage, end * perImage);
      const feed = this.feeds.training(own, labels.subarray(from, end), stored, { step: this.count, part, share });
      const run = { into: { logits: logits.subarray(from * this.classes, end * this.classes) }, signal };
      const { finished } = await launch(program, { ...feed, [keepInput]: Float32Array.of(part === 0 ? 0 : 1) }, run);
      const loss = finished.then(({ outputs }) => outputs.loss[0] * share);
      losses.push(loss);
      this.lastParts = [...this.lastParts.slice(-1), loss.catch(() => undefined)];
    }
    const { finished } = await launch(update, this.updateFeed(rates), { signal });
    const all = Promise.all([...losses, finished.then(() => 0)]);
    return { loss: all.then((terms) => terms.reduce((sum, term) => sum + term, 0)) };
  }

  private updateFeed({ values }: Rates): Feed {
    const feed: Feed = Object.fromEntries(values.map((rate, group) => [rateInput(group), Float32Array.of(rate)]));
    return this.counted ? { ...feed, step: Float32Array.of(this.count + 1) } : feed;
  }
}

/** Where the device computes beside this thread the next run can be prepared meanwhile. */
async function launch(
  program: Executable,
  inputs: Feed,
  options: RunOptions,
): Promise<{ readonly finished: Promise<RunResult> }> {
  return program.start
    ? await program.start(inputs, options)
    : { finished: Promise.resolve(await program.run(inputs, options)) };
}

/** One of a step's figures. Whoever does not wait for it hears of a failure at the next call. */
function figure<K extends string>(figures: Promise<Readonly<Record<K, number>>>, name: K): Promise<number> {
  const value = figures.then((known) => known[name]);
  value.catch(() => undefined);
  return value;
}
