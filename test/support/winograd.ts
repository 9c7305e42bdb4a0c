/** Convolution by Winograd's algorithm in float32, every operation rounded: what the kernels do, in the plainest way. */
import type { Conv2dGeometry } from '../../src/ops/conv2d.js';
import { type Matrix, transpose, type WinogradName, winograds } from '../../src/ops/lib/winograd.js';

const f = Math.fround;

/** A value by its channel (of all groups), row and column; zero where there is none. */
type Plane = (channel: number, row: number, column: number) => number;

/** A fault: whether the product at this point of this tile of this channel (as without stride) is left out. */
export type Dropped = (point: number, tile: number, channel: number) => boolean;

function times(matrix: Matrix, tile: Matrix): number[][] {
  return matrix.map((row) =>
    tile[0].map((_, j) => row.reduce((sum, value, k) => (value === 0 ? sum : f(sum + f(f(value) * tile[k][j]))), 0)),
  );
}

/** L X Lᵀ */
function transform(matrix: Matrix, tile: Matrix): number[][] {
  return transpose(times(matrix, transpose(times(matrix, tile)))) as number[][];
}

function square(size: number, at: (i: number, j: number) => number): number[][] {
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => at(i, j)));
}

/** x of one image, and w, as a convolution of stride 1 without padding sees them: s² phases of each channel. */
function phases(
  g: Conv2dGeometry,
  x: Float64Array,
  w: Float64Array,
  image: number,
): { x: Plane; w: (o: number) => Plane } {
  const s = g.strideY;
  const cell = (channel: number, row: number, column: number): [number, number, number] => {
    const phase = channel % (s * s);
    return [Math.floor(channel / (s * s)), row * s + Math.floor(phase / s), column * s + (phase % s)];
  };
  return {
    x: (...at) => {
      const [channel, row, column] = cell(...at);
      const [i, j] = [row - g.top, column - g.left];
      const inside = i >= 0 && i < g.inHeight && j >= 0 && j < g.inWidth;
      return inside ? x[((image * g.inChannels + channel) * g.inHeight + i) * g.inWidth + j] : 0;
    },
    w:
      (o) =>
      (...at) => {
        const [channel, u, v] = cell(...at);
        const inside = u < g.kernelHeight && v < g.kernelWidth;
        const groupIn = g.inChannels / g.groups;
        return inside ? w[((o * groupIn + channel) * g.kernelHeight + u) * g.kernelWidth + v] : 0;
      },
  };
}

/** Calls `visit(tile, first row, first column)` for each tile of an image. */
function forEachTile(g: Conv2dGeometry, m: number, visit: (tile: number, top: number, left: number) => void): void {
  let tile = 0;
  for (let top = 0; top < g.outHeight; top += m)
    for (let left = 0; left < g.outWidth; left += m) visit(tile++, top, left);
}

/** y without activation. */
export function forward32(
  name: WinogradName,
  g: Conv2dGeometry,
  x: Float64Array,
  w: Float64Array,
  bias: ArrayLike<number> = new Float64Array(g.outChannels),
  dropped: Dropped = () => false,
): Float64Array {
  const { outputs: m, taps: r, size: n, output, filter, input } = winograds[name];
  const y = new Float64Array(g.batch * g.outChannels * g.outHeight * g.outWidth);
  const channels = (g.inChannels / g.groups) * g.strideY ** 2;
  for (let image = 0; image < g.batch; image++) {
    const planes = phases(g, x, w, image);
    for (let o = 0; o < g.outChannels; o++) {
      const first = Math.floor(o / (g.outChannels / g.groups)) * channels;
      const filters = Array.from({ length: channels }, (_, c) =>
        transform(
          filter,
          square(r, (u, v) => planes.w(o)(c, u, v)),
        ),
      );
      forEachTile(g, m, (tile, top, left) => {
        const sums = square(n, () => 0);
        for (let c = 0; c < channels; c++) {
          const inputs = transform(
            input,
            square(n, (i, j) => planes.x(first + c, top + i, left + j)),
          );
          for (let p = 0; p < n * n; p++) {
            const [i, j] = [Math.floor(p / n), p % n];
            if (!dropped(p, tile, c)) sums[i][j] = f(sums[i][j] + f(filters[c][i][j] * inputs[i][j]));
          }
        }
        for (const [i, row] of transform(output, sums).entries()) {
          for (const [j, value] of row.entries()) {
            if (top + i >= g.outHeight || left + j >= g.outWidth) continue;
            const at = ((image * g.outChannels + o) * g.outHeight + top + i) * g.outWidth + left + j;
            y[at] = f(value + bias[o]);
          }
        }
      });
    }
  }
  return y;
}

/** dx, for stride 1: the convolution of dy with turned and transposed kernels. */
export function dataGradient32(
  name: WinogradName,
  g: Conv2dGeometry,
  dy: Float64Array,
  w: Float64Array,
  dropped?: Dropped,
): Float64Array {
  const [groupIn, groupOut] = [g.inChannels / g.groups, g.outChannels / g.groups];
  const area = g.kernelHeight * g.kernelWidth;
  const turned = new Float64Array(w.length);
  for (let group = 0; group < g.groups; group++)
    for (let o = 0; o < groupOut; o++)
      for (let c = 0; c < groupIn; c++)
        for (let tap = 0; tap < area; tap++) {
          const to = ((group * groupIn + c) * groupOut + o) * area + tap;
          turned[to] = w[((group * groupOut + o) * groupIn + c) * area + area - 1 - tap];
        }
  const sizes = { inChannels: g.outChannels, inHeight: g.outHeight, inWidth: g.outWidth };
  const outSizes = { outChannels: g.inChannels, outHeight: g.inHeight, outWidth: g.inWidth };
  const offsets = { top: g.kernelHeight - 1 - g.top, left: g.kernelWidth - 1 - g.left };
  return forward32(name, { ...g, ...sizes, ...outSizes, ...offsets }, dy, turned, undefined, dropped);
}

export function weightGradient32(
  name: WinogradName,
  g: Conv2dGeometry,
  dy: Float64Array,
  x: Float64Array,
  dropped: Dropped = () => false,
): Float64Array {
  const { outputs: m, size: n, output, filter, input } = winograds[name];
  const s = g.strideY;
  const groupIn = g.inChannels / g.groups;
  const dw = new Float64Array(g.outChannels * groupIn * g.kernelHeight * g.kernelWidth);
  for (let o = 0; o < g.outChannels; o++) {
    const first = Math.floor(o / (g.outChannels / g.groups)) * groupIn * s * s;
    for (let c = 0; c < groupIn * s * s; c++) {
      const sums = square(n, () => 0);
      for (let image = 0; image < g.batch; image++) {
        const planes = phases(g, x, dw, image);
        forEachTile(g, m, (tile, top, left) => {
          const gradients = transform(
            transpose(output),
            square(m, (i, j) => {
              if (top + i >= g.outHeight || left + j >= g.outWidth) return 0;
              return dy[((image * g.outChannels + o) * g.outHeight + top + i) * g.outWidth + left + j];
            }),
          );
          const inputs = transform(
            input,
            square(n, (i, j) => planes.x(first + c, top + i, left + j)),
          );
          for (let p = 0; p < n * n; p++) {
            const [i, j] = [Math.floor(p / n), p % n];
            if (!dropped(p, tile, c)) sums[i][j] = f(sums[i][j] + f(gradients[i][j] * inputs[i][j]));
          }
        });
      }
      for (const [u, row] of transform(transpose(filter), sums).entries()) {
        for (const [v, value] of row.entries()) {
          const phase = c % (s * s);
          const [i, j] = [u * s + Math.floor(phase / s), v * s + (phase % s)];
          if (i >= g.kernelHeight || j >= g.kernelWidth) continue;
          dw[((o * groupIn + Math.floor(c / (s * s))) * g.kernelHeight + i) * g.kernelWidth + j] = value;
        }
      }
    }
  }
  return dw;
}
