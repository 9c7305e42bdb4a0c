/**
 * Error bounds of convolutions by Winograd's algorithm, for kernels that do every step in float32.
 *
 * As for plain sums (`sumConstant`), roundings are taken as independent and added in quadrature; here each is also carried
 * through the linear maps that follow it. With u = 2⁻²⁴, a row y = Σ bₖ xₖ of a transform has the variance
 *
 *   var y = Σ bₖ² var xₖ + u² (Σ (bₖ xₖ)² + Σ sₖ²)     products (none where bₖ = ±1) and partial sums sₖ,
 *
 * and a sum of products m = Σ uₖ vₖ over channels, or over tiles, of transformed filters and inputs
 *
 *   var m = Σ (uₖ² var vₖ + vₖ² var uₖ) + u² (Σ (uₖ vₖ)² + Σ sₖ²).
 *
 * A transform of a tile is two passes of rows, one for each direction; then come the sums, then two passes more. The bound
 * of an element is c·√var. This is the analysis of Barabasz, Anderson, Soodhalter and Gregg (Error analysis and improving the
 * accuracy of Winograd convolution for deep neural networks, ACM TOMS 46, 2020, §4), with the numbers themselves in place of
 * norms and quadrature (Higham, Accuracy and Stability of Numerical Algorithms, §2.8) in place of the worst case.
 *
 * A stride of s becomes 1 by moving the s × s phases of the image and of the kernel, padded with zeros, into channels.
 */
import type { Conv2dGeometry } from '../conv2d.js';
import { sumConstant, unitRoundoff } from '../define.js';
import { type Matrix, transpose, type Winograd, type WinogradName, winograds } from './winograd.js';

/** Values, and the variances of their errors in units of u². */
class Uncertain {
  readonly values: Float64Array;
  readonly variances: Float64Array;

  constructor(length: number) {
    this.values = new Float64Array(length);
    this.variances = new Float64Array(length);
  }

  clear(): void {
    this.values.fill(0);
    this.variances.fill(0);
  }

  /** The bound of element i, after a last rounding of `value`, if there is one. */
  boundAt(i: number, value = 0): number {
    return sumConstant * unitRoundoff * Math.sqrt(this.variances[i] + value * value);
  }
}

/** Applies a matrix L to square tiles: L X Lᵀ. */
class Transform {
  private readonly rows: number;
  private readonly columns: number;
  private readonly factors: Float64Array;
  private readonly between: Uncertain;

  constructor(matrix: Matrix) {
    this.rows = matrix.length;
    this.columns = matrix[0].length;
    this.factors = Float64Array.from(matrix.flat());
    this.between = new Uncertain(this.rows * this.columns);
  }

  apply(from: Uncertain, fromAt: number, to: Uncertain, toAt: number): void {
    const { rows, columns, between } = this;
    for (let k = 0; k < columns; k++) this.line(from, fromAt + k, columns, between, k, columns);
    for (let i = 0; i < rows; i++) this.line(between, i * columns, 1, to, toAt + i * rows, 1);
  }

  private line(from: Uncertain, fromAt: number, fromStep: number, to: Uncertain, toAt: number, toStep: number): void {
    const { rows, columns, factors } = this;
    const { values, variances } = from;
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      let variance = 0;
      let terms = 0;
      for (let k = 0; k < columns; k++) {
        const factor = factors[i * columns + k];
        if (factor === 0) continue;
        const product = factor * values[fromAt + k * fromStep];
        sum += product;
        variance += factor * factor * variances[fromAt + k * fromStep];
        if (factor !== 1 && factor !== -1) variance += product * product;
        if (terms++ > 0) variance += sum * sum;
      }
      to.values[toAt + i * toStep] = sum;
      to.variances[toAt + i * toStep] = variance;
    }
  }
}

/** Adds `count` products elementwise. */
function addProducts(
  sum: Uncertain,
  sumAt: number,
  a: Uncertain,
  aAt: number,
  b: Uncertain,
  bAt: number,
  count: number,
): void {
  const { values, variances } = sum;
  const { values: xs, variances: xVariances } = a;
  const { values: ys, variances: yVariances } = b;
  for (let i = 0; i < count; i++) {
    const x = xs[aAt + i];
    const y = ys[bAt + i];
    const product = x * y;
    const partial = values[sumAt + i] + product;
    values[sumAt + i] = partial;
    variances[sumAt + i] +=
      x * x * yVariances[bAt + i] + y * y * xVariances[aAt + i] + product * product + partial * partial;
  }
}

/** The sizes of a convolution as Winograd's algorithm sees it. */
class Tiling {
  /** Points of a tile, n². */
  readonly points: number;
  readonly groupIn: number;
  readonly groupOut: number;
  /** Channels of a group, s² phases of each. */
  readonly channels: number;
  readonly tilesX: number;
  readonly tiles: number;
  private readonly inputs: Transform;

  constructor(
    readonly winograd: Winograd,
    readonly g: Conv2dGeometry,
  ) {
    this.points = winograd.size ** 2;
    this.groupIn = g.inChannels / g.groups;
    this.groupOut = g.outChannels / g.groups;
    this.channels = this.groupIn * g.strideY ** 2;
    this.tilesX = Math.ceil(g.outWidth / winograd.outputs);
    this.tiles = Math.ceil(g.outHeight / winograd.outputs) * this.tilesX;
    this.inputs = new Transform(winograd.input);
  }

  /** Bᵀ X B of every tile of a group of an image: [channels × tiles × points]. */
  transformedInputs(x: Float64Array, image: number, group: number): Uncertain {
    const { g, points, channels, tiles, tilesX, winograd } = this;
    const found = new Uncertain(channels * tiles * points);
    const tile = new Uncertain(points);
    const step = winograd.outputs * g.strideY;
    for (let c = 0; c < channels; c++) {
      const { channel, dy, dx } = this.phase(c);
      const plane = (image * g.inChannels + group * this.groupIn + channel) * g.inHeight * g.inWidth;
      for (let t = 0; t < tiles; t++) {
        const top = Math.floor(t / tilesX) * step + dy - g.top;
        const left = (t % tilesX) * step + dx - g.left;
        const size = [g.inHeight, g.inWidth] as const;
        readTile(x, plane, size, [top, left], g.strideY, winograd.size, tile.values);
        this.inputs.apply(tile, 0, found, (c * tiles + t) * points);
      }
    }
    return found;
  }

  /** Channel and phase of a channel of the image without stride. */
  phase(c: number): { readonly channel: number; readonly dy: number; readonly dx: number } {
    const stride = this.g.strideY;
    const phase = c % stride ** 2;
    return { channel: Math.floor(c / stride ** 2), dy: Math.floor(phase / stride), dx: phase % stride };
  }

  /** Calls `visit(place in the r × r kernel of channel c, place in w)` for every weight of output o. */
  forEachWeight(o: number, c: number, visit: (tap: number, weight: number) => void): void {
    const { g, groupIn, winograd } = this;
    const { channel, dy, dx } = this.phase(c);
    for (let u = 0; u * g.strideY + dy < g.kernelHeight; u++) {
      for (let v = 0; v * g.strideX + dx < g.kernelWidth; v++) {
        const row = (o * groupIn + channel) * g.kernelHeight + u * g.strideY + dy;
        visit(u * winograd.taps + v, row * g.kernelWidth + v * g.strideX + dx);
      }
    }
  }
}

/** A square of `size` cells, `step` apart, that starts at [row, column] of a plane; outside it, zeros. */
function readTile(
  from: Float64Array,
  plane: number,
  [height, width]: readonly [number, number],
  [top, left]: readonly [number, number],
  step: number,
  size: number,
  to: Float64Array,
): void {
  for (let a = 0; a < size; a++) {
    const row = top + a * step;
    for (let b = 0; b < size; b++) {
      const column = left + b * step;
      const inside = row >= 0 && row < height && column >= 0 && column < width;
      to[a * size + b] = inside ? from[plane + row * width + column] : 0;
    }
  }
}

/** Calls `visit(place in the tile, place in the plane)` for every output of tile t. */
function forEachOutput({ g, winograd, tilesX }: Tiling, t: number, visit: (i: number, at: number) => void): void {
  const m = winograd.outputs;
  const top = Math.floor(t / tilesX) * m;
  const left = (t % tilesX) * m;
  for (let i = 0; i < m && top + i < g.outHeight; i++) {
    for (let j = 0; j < m && left + j < g.outWidth; j++) visit(i * m + j, (top + i) * g.outWidth + left + j);
  }
}

/** Bounds of y [N, O, OH, OW] from x, w and the bias; ReLU moves no two values further apart. */
export function winogradBound(
  name: WinogradName,
  g: Conv2dGeometry,
  x: Float64Array,
  w: Float64Array,
  bias?: Float64Array,
): Float64Array {
  const winograd = winograds[name];
  const tiling = new Tiling(winograd, g);
  const { points, channels, tiles, groupOut } = tiling;
  const outputs = new Transform(winograd.output);
  const plane = g.outHeight * g.outWidth;
  const bound = new Float64Array(g.batch * g.outChannels * plane);
  const sums = new Uncertain(tiles * points);
  const y = new Uncertain(winograd.outputs ** 2);
  for (let group = 0; group < g.groups; group++) {
    const filters = transformedFilters(tiling, w, group);
    for (let image = 0; image < g.batch; image++) {
      const inputs = tiling.transformedInputs(x, image, group);
      for (let o = 0; o < groupOut; o++) {
        const channel = group * groupOut + o;
        const first = (image * g.outChannels + channel) * plane;
        sums.clear();
        for (let c = 0; c < channels; c++) {
          for (let t = 0; t < tiles; t++) {
            addProducts(
              sums,
              t * points,
              filters,
              (o * channels + c) * points,
              inputs,
              (c * tiles + t) * points,
              points,
            );
          }
        }
        for (let t = 0; t < tiles; t++) {
          outputs.apply(sums, t * points, y, 0);
          forEachOutput(tiling, t, (i, at) => {
            bound[first + at] = y.boundAt(i, bias ? y.values[i] + bias[channel] : 0);
          });
        }
      }
    }
  }
  return bound;
}

/** G W Gᵀ of a group: [outputs × channels × points]. */
function transformedFilters(tiling: Tiling, w: Float64Array, group: number): Uncertain {
  const { points, channels, groupOut, winograd } = tiling;
  const filters = new Transform(winograd.filter);
  const found = new Uncertain(groupOut * channels * points);
  const taps = new Uncertain(winograd.taps ** 2);
  for (let o = 0; o < groupOut; o++) {
    for (let c = 0; c < channels; c++) {
      taps.clear();
      tiling.forEachWeight(group * groupOut + o, c, (tap, weight) => {
        taps.values[tap] = w[weight];
      });
      filters.apply(taps, 0, found, (o * channels + c) * points);
    }
  }
  return found;
}

/** Bounds of dx [N, C, H, W] from dy and w, for stride 1: the convolution of dy with the kernels turned by 180° and transposed. */
export function winogradDataGradientBound(
  name: WinogradName,
  g: Conv2dGeometry,
  dy: Float64Array,
  w: Float64Array,
): Float64Array {
  const groupIn = g.inChannels / g.groups;
  const groupOut = g.outChannels / g.groups;
  const area = g.kernelHeight * g.kernelWidth;
  const turned = w.map((_, i) => {
    const tap = i % area;
    const o = Math.floor(i / area) % groupOut;
    const channel = Math.floor(i / (area * groupOut));
    const group = Math.floor(channel / groupIn);
    return w[((group * groupOut + o) * groupIn + (channel % groupIn)) * area + (area - 1 - tap)];
  });
  const backward: Conv2dGeometry = {
    ...g,
    inChannels: g.outChannels,
    inHeight: g.outHeight,
    inWidth: g.outWidth,
    outChannels: g.inChannels,
    outHeight: g.inHeight,
    outWidth: g.inWidth,
    top: g.kernelHeight - 1 - g.top,
    left: g.kernelWidth - 1 - g.left,
  };
  return winogradBound(name, backward, dy, turned);
}

/** Bounds of dw [O, C/G, kh, kw] from dy and x: Gᵀ [Σ (A dY Aᵀ) ⊙ (Bᵀ X B)] G, summed over all tiles of the batch. */
export function winogradWeightGradientBound(
  name: WinogradName,
  g: Conv2dGeometry,
  dy: Float64Array,
  x: Float64Array,
): Float64Array {
  const winograd = winograds[name];
  const tiling = new Tiling(winograd, g);
  const { points, channels, tiles, groupOut } = tiling;
  const filters = new Transform(transpose(winograd.filter));
  const bound = new Float64Array(g.outChannels * tiling.groupIn * g.kernelHeight * g.kernelWidth);
  const taps = new Uncertain(winograd.taps ** 2);
  for (let group = 0; group < g.groups; group++) {
    const sums = new Uncertain(groupOut * channels * points);
    for (let image = 0; image < g.batch; image++) {
      const inputs = tiling.transformedInputs(x, image, group);
      const gradients = transformedGradients(tiling, dy, image, group);
      for (let o = 0; o < groupOut; o++) {
        for (let c = 0; c < channels; c++) {
          const sum = (o * channels + c) * points;
          for (let t = 0; t < tiles; t++) {
            addProducts(sums, sum, gradients, (o * tiles + t) * points, inputs, (c * tiles + t) * points, points);
          }
        }
      }
    }
    for (let o = 0; o < groupOut; o++) {
      for (let c = 0; c < channels; c++) {
        filters.apply(sums, (o * channels + c) * points, taps, 0);
        tiling.forEachWeight(group * groupOut + o, c, (tap, weight) => {
          bound[weight] = taps.boundAt(tap);
        });
      }
    }
  }
  return bound;
}

/** A dY Aᵀ of every tile of a group of an image: [outputs × tiles × points]. */
function transformedGradients(tiling: Tiling, dy: Float64Array, image: number, group: number): Uncertain {
  const { g, points, tiles, tilesX, groupOut, winograd } = tiling;
  const m = winograd.outputs;
  const gradients = new Transform(transpose(winograd.output));
  const found = new Uncertain(groupOut * tiles * points);
  const tile = new Uncertain(m * m);
  const size = [g.outHeight, g.outWidth] as const;
  for (let o = 0; o < groupOut; o++) {
    const plane = (image * g.outChannels + group * groupOut + o) * g.outHeight * g.outWidth;
    for (let t = 0; t < tiles; t++) {
      readTile(dy, plane, size, [Math.floor(t / tilesX) * m, (t % tilesX) * m], 1, m, tile.values);
      gradients.apply(tile, 0, found, (o * tiles + t) * points);
    }
  }
  return found;
}
