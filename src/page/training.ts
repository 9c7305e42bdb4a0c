/** A first training: a network learns shapes that are drawn anew for every batch. */
import { openEngine } from '../engine/engine.js';
import { preset } from '../models/presets.js';
import { type OnProgress, type Way, ways } from './messages.js';
import { drawShapes, shapeCount } from './shapes.js';

export interface TrainingSettings {
  readonly way: Way;
  /** A preset. */
  readonly model: string;
  readonly batch: number;
  readonly steps: number;
  readonly seed: number;
}

/** As a line of `tandem train --log`. */
export interface TrainingStep {
  readonly epoch: number;
  readonly step: number;
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
  readonly lr: number;
  readonly imagesPerSecond: number;
}

export interface TrainingReport {
  readonly browser: string;
  /** The backend in one line. */
  readonly backend: string;
  readonly model: string;
  readonly batch: number;
  readonly seed: number;
  readonly steps: readonly TrainingStep[];
}

/**
 * Adam, with half its usual rate: the CIFAR nets start from so small weights that their own recipes take hundreds of steps to leave the
 * loss of guessing, ln 10.
 */
const learningRate = 0.0005;

export async function runTraining(
  { way, model: name, batch, steps, seed }: TrainingSettings,
  onProgress: OnProgress,
  onStep: (step: TrainingStep) => void,
): Promise<TrainingReport> {
  onProgress(0, steps, 'opening');
  const engine = await openEngine(ways[way].options);
  try {
    const model = preset(name, { classes: shapeCount });
    const network = await engine.network(model, { seed, learningRate, optimizer: { kind: 'adam' } });
    const done: TrainingStep[] = [];
    for (let step = 0; step < steps; step++) {
      onProgress(step, steps, `step ${step + 1}`);
      const { images, labels } = drawShapes(model, batch, seed, step);
      const start = performance.now();
      const figures = await network.step(images, labels);
      const [loss, top1, top5] = await Promise.all([figures.loss, figures.top1, figures.top5]);
      const imagesPerSecond = (batch / (performance.now() - start)) * 1000;
      const one = { epoch: 0, step, loss, top1, top5, lr: learningRate, imagesPerSecond };
      done.push(one);
      onStep(one);
      if (!Number.isFinite(loss)) break;
    }
    onProgress(steps, steps, '');
    return { browser: navigator.userAgent, backend: engine.info.description, model: name, batch, seed, steps: done };
  } finally {
    await engine.close();
  }
}
