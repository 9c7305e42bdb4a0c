/** Where a training stands: with parameters, optimizer states and the network's step counter it is all that resuming needs. */
import type { Schedule } from '../models/schedule.js';
import type { BestFigure } from './events.js';

export interface TrainingProgress {
  /** Steps taken. */
  readonly step: number;
  /** From 0; the one under way. */
  readonly epoch: number;
  /** Batches of the epoch that have been used. All of them: its validation is still to come. */
  readonly position: number;
  /** How often a plateau has lowered the rate. */
  readonly drops: number;
  /** Epochs without improvement, since the best one or since the last drop. */
  readonly stalled: number;
  /** Epochs without improvement since the best one. */
  readonly waited: number;
  readonly best?: BestFigure;
}

export const atStart: TrainingProgress = { step: 0, epoch: 0, position: 0, drops: 0, stalled: 0, waited: 0 };

/** How an epoch's validation changes where the training stands. */
export function afterValidation(
  progress: TrainingProgress,
  schedule: Schedule,
  figures: { readonly top1: number; readonly loss: number },
): { readonly progress: TrainingProgress; readonly best: boolean; readonly dropped: boolean } {
  const { epoch, step, best } = progress;
  const improved = !best || figures.top1 > best.top1 || (figures.top1 === best.top1 && figures.loss < best.loss);
  if (improved) {
    const found: BestFigure = { top1: figures.top1, loss: figures.loss, epoch: epoch + 1, step };
    return { progress: { ...progress, best: found, stalled: 0, waited: 0 }, best: true, dropped: false };
  }
  const stalled = progress.stalled + 1;
  const waited = progress.waited + 1;
  const dropped = schedule.kind === 'plateau' && stalled >= schedule.patience && progress.drops < schedule.drops;
  return {
    progress: {
      ...progress,
      stalled: dropped ? 0 : stalled,
      waited,
      drops: progress.drops + Number(dropped),
    },
    best: false,
    dropped,
  };
}
