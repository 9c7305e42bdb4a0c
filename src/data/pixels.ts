/** Small pictures made for people to look at. */
import { ArgumentError } from '../errors.js';
import type { Pixels } from './image.js';
import { luma } from './stored.js';

/**
 * An image as a dataset stores it, [C, H, W] in channel planes, with three channels (RGB) or one (grey), as pixels.
 *
 * @throws ArgumentError for another number of channels or of bytes
 */
export function pixelsOfPlanes(planes: Uint8Array, shape: readonly [number, number, number]): Pixels {
  const [channels, height, width] = shape;
  const plane = height * width;
  if ((channels !== 1 && channels !== 3) || planes.length !== channels * plane) {
    throw new ArgumentError(`expected one or three planes of ${height}×${width} bytes, got ${planes.length} bytes`);
  }
  const data = new Uint8Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) data[3 * i + c] = planes[channels === 3 ? c * plane + i : i];
  }
  return { width, height, data };
}

/** The part of a picture that lies in a window within it. */
export function crop(
  pixels: Pixels,
  {
    top,
    left,
    height,
    width,
  }: { readonly top: number; readonly left: number; readonly height: number; readonly width: number },
): Pixels {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const from = 3 * ((top + y) * pixels.width + left);
    data.set(pixels.data.subarray(from, from + 3 * width), 3 * y * width);
  }
  return { width, height, data };
}

/** Each pixel as a square of `factor`×`factor`. */
export function enlarge({ width, height, data }: Pixels, factor: number): Pixels {
  const wide = width * factor;
  const large = new Uint8Array(3 * wide * height * factor);
  for (let y = 0; y < height * factor; y++) {
    for (let x = 0; x < wide; x++) {
      const from = 3 * (Math.floor(y / factor) * width + Math.floor(x / factor));
      for (let c = 0; c < 3; c++) large[3 * (y * wide + x) + c] = data[from + c];
    }
  }
  return { width: wide, height: height * factor, data: large };
}

/** Whole squares of pixels averaged, the smallest that bring both sides to `most` or less; what is over at right and bottom is cut. */
export function reduce(pixels: Pixels, most: number): Pixels {
  const factor = Math.ceil(Math.max(pixels.width, pixels.height) / most);
  if (factor <= 1) return pixels;
  const width = Math.max(1, Math.floor(pixels.width / factor));
  const height = Math.max(1, Math.floor(pixels.height / factor));
  const [columns, rows] = [Math.min(factor, pixels.width), Math.min(factor, pixels.height)];
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    let sum = 0;
    for (let v = 0; v < rows; v++) {
      for (let u = 0; u < columns; u++) {
        sum += pixels.data[3 * ((y * factor + v) * pixels.width + x * factor + u) + (i % 3)];
      }
    }
    data[i] = Math.round(sum / (rows * columns));
  }
  return { width, height, data };
}

/**
 * A map laid over the picture it belongs to: the picture in grey, its cells coloured from yellow to red, the stronger the
 * larger their value. Values are relative to the largest; what is not above 0 shows the grey picture.
 *
 * @param map one value a pixel
 */
export function overlay(pixels: Pixels, map: Float32Array): Pixels {
  const largest = map.reduce((most, value) => Math.max(most, value), 0);
  const data = new Uint8Array(pixels.data.length);
  for (let i = 0; i < map.length; i++) {
    const heat = largest > 0 ? Math.max(0, map[i]) / largest : 0;
    const [red, green, blue] = pixels.data.subarray(3 * i, 3 * i + 3);
    // Paler than it is, so that the colours stand out.
    const grey = 64 + 0.6 * (luma[0] * red + luma[1] * green + luma[2] * blue);
    const strength = 0.85 * heat;
    const colour = [255, 200 * (1 - heat), 0];
    for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round((1 - strength) * grey + strength * colour[c]);
  }
  return { width: pixels.width, height: pixels.height, data };
}
