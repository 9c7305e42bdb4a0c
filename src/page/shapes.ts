/** A first data set that needs no download: ten shapes in random colours, places and sizes, drawn anew from a seed for every batch. */
import type { Model } from '../models/model.js';
import { unit } from '../ops/lib/deviates.js';
import { philox4x32, split64 } from '../ops/lib/philox.js';

/** Whether a point is inside, u to the right and v downwards from −1 to 1 in the square around the shape; the index is the label. */
const shapes: readonly { readonly name: string; readonly inside: (u: number, v: number) => boolean }[] = [
  { name: 'disc', inside: (u, v) => u * u + v * v < 1 },
  { name: 'ring', inside: (u, v) => u * u + v * v < 1 && u * u + v * v > 0.3 },
  { name: 'square', inside: () => true },
  { name: 'frame', inside: (u, v) => Math.max(Math.abs(u), Math.abs(v)) > 0.6 },
  { name: 'triangle up', inside: (u, v) => 2 * Math.abs(u) < v + 1 },
  { name: 'triangle down', inside: (u, v) => 2 * Math.abs(u) < 1 - v },
  { name: 'plus', inside: (u, v) => Math.min(Math.abs(u), Math.abs(v)) < 0.3 },
  { name: 'cross', inside: (u, v) => Math.abs(Math.abs(u) - Math.abs(v)) < 0.35 },
  { name: 'horizontal bars', inside: (_, v) => Math.floor((v + 1) * 2.5) % 2 === 0 },
  { name: 'vertical bars', inside: (u) => Math.floor((u + 1) * 2.5) % 2 === 0 },
];

/** Number of classes. */
export const shapeCount = shapes.length;
export const shapeNames: readonly string[] = shapes.map(({ name }) => name);

export interface ShapeBatch {
  /** [N, C, H, W] as the model wants them: (v − mean) · scale of pixels from 0 to 255. */
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** Batch number `index` of the stream that belongs to a seed: the same one everywhere. */
export function drawShapes(model: Model, batch: number, seed: number, index: number): ShapeBatch {
  const [channels, height, width] = model.inputShape;
  const { mean, scale, std } = model.preprocessing;
  const images = new Float32Array(batch * channels * height * width);
  const labels = new Int32Array(batch);
  const key = split64(seed);
  const words = new Uint32Array(4);
  for (let n = 0; n < batch; n++) {
    const draw = (part: number): readonly number[] => {
      philox4x32([n, index, part, 0], key, words);
      return Array.from(words, unit);
    };
    const [kind, across, down, extent] = draw(0);
    const paper = draw(1);
    const ink = draw(2);
    labels[n] = Math.floor(kind * shapeCount);
    const { inside } = shapes[labels[n]];
    const radius = Math.min(height, width) * (0.25 + 0.2 * extent);
    const [x, y] = [radius + across * (width - 2 * radius), radius + down * (height - 2 * radius)];
    // Dark on light or light on dark, so that every shape can be seen.
    const light = ink[3] < 0.5;
    for (let c = 0; c < channels; c++) {
      const [low, high] = [110 * paper[c], 145 + 110 * ink[c]];
      const [back, front] = light ? [low, high] : [high, low];
      const factor = scale / (std?.[c % mean.length] ?? 1);
      const plane = (n * channels + c) * height * width;
      for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
          const [u, v] = [(column + 0.5 - x) / radius, (row + 0.5 - y) / radius];
          const drawn = Math.abs(u) < 1 && Math.abs(v) < 1 && inside(u, v);
          images[plane + row * width + column] = ((drawn ? front : back) - mean[c % mean.length]) * factor;
        }
      }
    }
  }
  return { images, labels };
}
