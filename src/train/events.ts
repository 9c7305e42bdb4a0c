/** What a training tells whoever runs it. Steps and epochs are counted from 1; top1 and top5 are shares from 0 to 1. */

/** Means over the steps since the event before. */
export interface StepEvent {
  readonly kind: 'step';
  readonly epoch: number;
  /** Steps taken since the beginning. */
  readonly step: number;
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
  /** Learning rate of the last of the steps, before the factors of single layers. */
  readonly lr: number;
  readonly imagesPerSecond: number;
}

export interface ValidationEvent {
  readonly kind: 'validation';
  readonly epoch: number;
  readonly step: number;
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
  /** Whether it is the best so far: the highest top1, and the lowest loss among equals. */
  readonly best: boolean;
}

/** A checkpoint has been written, and is on the disk. */
export interface CheckpointEvent {
  readonly kind: 'checkpoint';
  readonly path: string;
  readonly step: number;
}

/** Validation has stalled, and the schedule lowers the rate; `lr` holds from the next step on. */
export interface DropEvent {
  readonly kind: 'drop';
  readonly step: number;
  readonly lr: number;
}

/** The last event. */
export interface EndEvent {
  readonly kind: 'end';
  readonly reason: 'done' | 'early stop' | 'aborted';
  readonly epoch: number;
  readonly step: number;
  /** Of the best validation; missing where there was none. */
  readonly best?: BestFigure;
}

export type TrainingEvent = StepEvent | ValidationEvent | CheckpointEvent | DropEvent | EndEvent;

/** The best validation so far. */
export interface BestFigure {
  readonly top1: number;
  readonly loss: number;
  readonly epoch: number;
  readonly step: number;
}
