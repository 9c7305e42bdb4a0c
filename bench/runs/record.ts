/** What a training run leaves behind: one JSON file, from which `results.ts` makes docs/results.md and its plots. */

/** [x, y] */
export type Point = readonly [number, number];

export interface Curve {
  /** In the legend: 'ReLU'. */
  readonly name: string;
  /** Labels of the axes: 'epochs', 'training error, %'. Curves with the same two share a plot. */
  readonly x: string;
  readonly y: string;
  readonly points: readonly Point[];
}

export interface Figure {
  /** 'test accuracy' */
  readonly name: string;
  /** Null where it was not reached. */
  readonly value: number | null;
  /** What a value that was not reached is more than: '> 40'. */
  readonly above?: number;
  /** '%', 'epochs', 's'; empty for plain numbers such as losses. */
  readonly unit: string;
}

/** What the work of one script comes to. */
export interface Outcome {
  /** Runs of one name differ in their seeds only: 'mnist-tf-he'. */
  readonly name: string;
  /** What was published, and what is to be reached. */
  readonly goal: string;
  readonly figures: readonly Figure[];
  readonly curves: readonly Curve[];
  /** What a reader of the figures must know: 'learning rate 0.001 of 0.0003, …'. */
  readonly note?: string;
}

export interface RunRecord extends Outcome {
  readonly command: string;
  readonly seed: number;
  /** A run of minutes, whose figures show only that the script works. */
  readonly quick: boolean;
  /** All of it: data, training, evaluation. */
  readonly seconds: number;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    readonly backend: string;
  };
}

/** Points that a curve keeps: more cannot be told apart in a plot. */
export const mostPoints = 200;

/** Means over equal stretches of a run, so that a curve of any length has at most `mostPoints` points. */
export class Means {
  readonly points: Point[] = [];
  private readonly stretch: number;
  private sum = 0;
  private count = 0;

  /** @param expected number of values to come */
  constructor(expected: number) {
    this.stretch = Math.max(1, Math.ceil(expected / mostPoints));
  }

  add(x: number, y: number): void {
    this.sum += y;
    this.count++;
    if (this.count < this.stretch) return;
    this.points.push([rounded(x), rounded(this.sum / this.count)]);
    this.sum = 0;
    this.count = 0;
  }
}

/** Six digits: enough for a plot, and files stay small. */
export function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

export function percent(name: string, share: number): Figure {
  return { name, value: rounded(100 * share), unit: '%' };
}
