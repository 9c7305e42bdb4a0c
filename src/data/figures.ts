/** The ten kinds of drawings of the synthetic dataset, as functions of the plane: below 0 inside, above 0 outside, about 1 a unit of length. */

/** Signed distance, or something close to it near the edge, at (x, y). */
export type Figure = (x: number, y: number) => number;

/** Shapes of radius 1 around the origin, upright. */
export const shapes: Readonly<Record<string, Figure>> = {
  disc: (x, y) => length(x, y) - 0.9,
  ring: (x, y) => Math.abs(length(x, y) - 0.75) - 0.2,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) - 0.8,
  triangle: (x, y) => Math.max(y, Math.abs(x) * 0.866 - y * 0.5) - 0.5,
  cross: (x, y) => {
    const [long, short] = [Math.max(Math.abs(x), Math.abs(y)), Math.min(Math.abs(x), Math.abs(y))];
    return Math.max(long - 0.95, short - 0.27);
  },
  star: fivePointedStar(1, 0.45),
};

/** Textures that fill the plane, about half of it inside; `period` is from one stripe, cell, dot or ring to the next. */
export const textures: Readonly<Record<string, (period: number) => Figure>> = {
  stripes: (period) => (x) => wave(x, period),
  checkerboard: (period) => (x, y) => {
    const [a, b] = [wave(x, 2 * period), wave(y, 2 * period)];
    return a * b < 0 ? -Math.min(Math.abs(a), Math.abs(b)) : Math.min(Math.abs(a), Math.abs(b));
  },
  dots: (period) => (x, y) => length(fromNearest(x, period), fromNearest(y, period)) - 0.32 * period,
  ripples: (period) => (x, y) => wave(length(x, y), period),
};

/** Math.hypot takes care of what cannot be here, and its time. */
function length(x: number, y: number): number {
  return Math.sqrt(x * x + y * y);
}

/** Distance from the nearest multiple of `period`, with its sign. */
function fromNearest(x: number, period: number): number {
  return x - period * Math.round(x / period);
}

/** Stripes of half a period each, inside around the multiples of `period`. */
function wave(x: number, period: number): number {
  return Math.abs(fromNearest(x, period)) - period / 4;
}

/** One of ten like triangles after folding: the distance from the line between a point and the notch beside it. */
function fivePointedStar(outer: number, inner: number): Figure {
  const half = Math.PI / 5;
  // From the point (0, outer) to the notch at angle π/5 and radius `inner`, and the normal of that edge.
  const [nx, ny] = [outer - inner * Math.cos(half), inner * Math.sin(half)];
  const size = length(nx, ny);
  return (x, y) => {
    const turn = Math.atan2(x, y);
    const folded = Math.abs(turn - 2 * half * Math.round(turn / (2 * half)));
    const radius = length(x, y);
    const [px, py] = [radius * Math.sin(folded), radius * Math.cos(folded)];
    return (nx * px + ny * (py - outer)) / size;
  };
}
