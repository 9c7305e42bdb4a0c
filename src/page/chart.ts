/** A curve that grows while it is looked at. */
import { formatFigure, lineChart, type Point } from '../train/chart.js';

export class Curve {
  readonly element = document.createElement('div');
  private readonly points: Point[] = [];

  /** @param steps that the horizontal axis is for */
  constructor(
    private readonly what: string,
    private readonly steps: number,
  ) {}

  add(value: number): void {
    this.points.push([this.points.length + 1, value]);
    const series = [{ name: this.what, points: this.points }];
    // Text that this program makes of numbers and its own words.
    this.element.innerHTML = lineChart({
      title: `${this.what}, now ${formatFigure(value)}`,
      x: 'step',
      series,
      scale: 'linear',
      xTo: this.steps,
      yFrom: 0,
    });
  }
}
