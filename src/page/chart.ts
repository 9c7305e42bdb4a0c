/** A curve in SVG that grows while it is looked at. */
const size = { width: 440, height: 200, left: 32, right: 8, top: 8, bottom: 24 };

function svg(tag: string, attributes: Readonly<Record<string, string | number>>, text = ''): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.textContent = text;
  return element;
}

export class Curve {
  readonly element = svg('svg', { viewBox: `0 0 ${size.width} ${size.height}`, role: 'img' });
  private readonly line = svg('polyline', { points: '' });
  private readonly grid = svg('g', {});
  private readonly values: number[] = [];
  private top = 0;

  /** @param steps that the horizontal axis is for */
  constructor(
    private readonly what: string,
    private readonly steps: number,
  ) {
    this.element.append(this.grid, this.line);
  }

  add(value: number): void {
    this.values.push(Number.isFinite(value) ? value : 0);
    const highest = Math.max(...this.values);
    if (highest > this.top) {
      this.top = niceAbove(highest);
      this.grid.replaceChildren(...this.axes());
    }
    const points = this.values.map((each, i) => `${this.x(i).toFixed(1)},${this.y(each).toFixed(1)}`);
    this.line.setAttribute('points', points.join(' '));
    this.element.setAttribute('aria-label', `${this.what} after ${this.values.length} steps: ${value.toFixed(3)}`);
  }

  private x(step: number): number {
    return size.left + ((size.width - size.left - size.right) * step) / Math.max(1, this.steps - 1);
  }

  private y(value: number): number {
    return size.height - size.bottom - ((size.height - size.top - size.bottom) * value) / this.top;
  }

  private axes(): SVGElement[] {
    const levels = [0, 1, 2, 3, 4].map((i) => (this.top * i) / 4);
    return [
      ...levels.flatMap((level) => [
        svg('line', { x1: size.left, x2: size.width - size.right, y1: this.y(level), y2: this.y(level) }),
        svg('text', { x: size.left - 6, y: this.y(level) + 4, 'text-anchor': 'end' }, level.toPrecision(2)),
      ]),
      svg('text', { x: size.left, y: size.height - 6 }, this.what),
      svg('text', { x: size.width - size.right, y: size.height - 6, 'text-anchor': 'end' }, `step ${this.steps}`),
    ];
  }
}

/** The next of 1, 2, 3, 4, 6, 8 times a power of ten. */
function niceAbove(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 3, 4, 6, 8].find((factor) => factor * power >= value) ?? 10);
}
