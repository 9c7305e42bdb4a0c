/**
 * PNG files (W3C "Portable Network Graphics (PNG) Specification", second edition) of 8-bit RGB, written without any package: the
 * compression is that of the platform, in Node as in a page.
 */
import { crc32 } from '../crc32.js';
import { ArgumentError } from '../errors.js';
import type { Pixels } from './image.js';

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Bytes of a pixel. */
const depth = 3;

/** @throws ArgumentError for an image without pixels, or whose data do not fill it */
export async function encodePng({ width, height, data }: Pixels): Promise<Uint8Array<ArrayBuffer>> {
  if (!(width > 0 && height > 0) || data.length !== depth * width * height) {
    throw new ArgumentError(`a PNG of ${width}×${height} RGB pixels cannot be made of ${data.length} bytes`);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  // Eight bits a sample, RGB, and the only compression, filter method and order (not interlaced) that are used.
  header.set([8, 2, 0, 0, 0], 8);
  const content = await deflate(filtered(width, height, data));
  return joined([signature, chunk('IHDR', header), chunk('IDAT', content), chunk('IEND', new Uint8Array(0))]);
}

/** A PNG as the address of an image within a page. */
export async function pngDataUri(pixels: Pixels): Promise<string> {
  const bytes = await encodePng(pixels);
  let text = '';
  // An argument list has a limit, far above this.
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return `data:image/png;base64,${btoa(text)}`;
}

/**
 * The rows, each after the number of its filter (§9): none (0), the difference to the pixel before (1) or to the one above (2), whichever
 * has the smallest sum of magnitudes.
 */
function filtered(width: number, height: number, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const stride = depth * width;
  const rows = new Uint8Array(height * (stride + 1));
  const candidates = [0, 1, 2].map(() => new Uint8Array(stride));
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * stride, (y + 1) * stride);
    const above = y > 0 ? data.subarray((y - 1) * stride, y * stride) : undefined;
    const [none, sub, up] = candidates;
    for (let i = 0; i < stride; i++) {
      none[i] = row[i];
      sub[i] = row[i] - (i < depth ? 0 : row[i - depth]);
      up[i] = row[i] - (above ? above[i] : 0);
    }
    const sums = candidates.map(magnitudes);
    const best = sums.indexOf(Math.min(...sums));
    rows[y * (stride + 1)] = best;
    rows.set(candidates[best], y * (stride + 1) + 1);
  }
  return rows;
}

/** Σ|v| of bytes read as signed. */
function magnitudes(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte < 128 ? byte : 256 - byte;
  return sum;
}

/** The zlib format, which PNG wants, goes by the name of 'deflate' on the web. */
async function deflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Length, type, content and the CRC of the last two. */
function chunk(type: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, crc32(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
