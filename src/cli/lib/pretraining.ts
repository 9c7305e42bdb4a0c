/** `tandem train --pretrain`: shows how far it is, and a line for each layer. */
import type { Dataset } from '../../data/dataset.js';
import type { Engine } from '../../engine/engine.js';
import type { Network } from '../../engine/network.js';
import { type PretrainingEvent, pretrain } from '../../train/pretrain.js';
import { print } from './output.js';
import { Progress } from './progress.js';
import { formatCount } from './table.js';
import { figure } from './trainingScreen.js';

/** Steps whose mean loss is shown as that of the beginning and of the end. */
const shown = 20;

export async function pretrainLayers(
  engine: Engine,
  network: Network,
  data: Dataset,
  settings: { readonly steps: number | undefined; readonly batch: number; readonly signal: AbortSignal },
  quiet: boolean,
): Promise<void> {
  const progress = new Progress('pretrain');
  const { steps, batch, signal } = settings;
  let losses: number[] = [];
  const finish = ({ layer, steps: taken }: PretrainingEvent) => {
    progress.stop();
    const [first, last] = [losses.slice(0, shown), losses.slice(-shown)].map(mean);
    if (!quiet)
      print(`${layer}: reconstruction error ${figure(first)} → ${figure(last)} in ${formatCount(taken)} steps`);
    losses = [];
  };
  try {
    for await (const event of pretrain(engine, network, {
      data,
      steps,
      batch: Math.min(batch, data.labels.length),
      signal,
    })) {
      losses.push(event.loss);
      progress.update(event.step, event.steps, `${event.layer} · reconstruction error ${figure(event.loss)}`);
      if (event.step === event.steps) finish(event);
    }
  } finally {
    progress.stop();
  }
  if (!quiet) print('');
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
