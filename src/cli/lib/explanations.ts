/** `tandem classify --explain`: pictures of what an answer hangs on. */
import { mkdir } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { isSystemError, writeAtomically } from '../../atomicFile.js';
import type { Pixels } from '../../data/image.js';
import { crop, enlarge, overlay, pixelsOfPlanes } from '../../data/pixels.js';
import { encodePng } from '../../data/png.js';
import type { Network } from '../../engine/network.js';
import { FileError } from '../../errors.js';
import type { Model } from '../../models/model.js';
import type { Guess } from '../../train/classify.js';
import { type Occlusion, occlusion, saliency, seenWindow } from '../../train/explain.js';

/** Pictures smaller than this are shown with squares for pixels, whole times as large. */
const leastSide = 256;

/** Files, and what the occlusion came to. */
export interface Explanation {
  /** What the network sees of the image. */
  readonly input: string;
  readonly saliency: string;
  readonly occlusion: string;
  readonly probability: number;
  /** With the worst of the patches, and where that was: [top, left, height, width] in pixels of the input. */
  readonly leastProbability: number;
  readonly patch: readonly [number, number, number, number];
}

/** Makes the folder; throws a FileError when it cannot be. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    if (!isSystemError(error)) throw error;
    throw new FileError(`cannot make the folder '${folder}': ${error.message}`, { cause: error });
  });
}

/** 'a/cat.jpg' → 'FOLDER/cat'; a name that was there before gets a number: 'FOLDER/cat-2'. */
export function stemsIn(folder: string, paths: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return paths.map((path) => {
    const plain = basename(path, extname(path));
    let stem = plain;
    for (let number = 2; taken.has(stem); number++) stem = `${plain}-${number}`;
    taken.add(stem);
    return join(folder, stem);
  });
}

/**
 * Writes STEM.input.png, STEM.saliency.png and STEM.occlusion.png.
 *
 * @param image bytes as stored
 * @param guesses of the image, the most probable first: the first is explained, for the saliency as told from the second
 */
export async function explain(
  network: Network<Model>,
  image: Uint8Array,
  guesses: readonly Guess[],
  stem: string,
  onProgress: (done: number, total: number) => void,
): Promise<Explanation> {
  const shape = network.input?.shape ?? [0, 0, 0];
  const [first, second = first] = guesses;
  const slopes = await saliency(network, image, first.class, second.class);
  const covered = await occlusion(network, image, first.class, { onProgress });
  const seen = crop(pixelsOfPlanes(image, shape), seenWindow(network));
  const files = {
    input: `${stem}.input.png`,
    saliency: `${stem}.saliency.png`,
    occlusion: `${stem}.occlusion.png`,
  };
  await writePng(files.input, seen);
  await writePng(files.saliency, overlay(seen, slopes.values));
  await writePng(files.occlusion, overlay(seen, covered.values));
  return { ...files, ...figures(covered, seenWindow(network)) };
}

function figures({ probability, least, at }: Occlusion, seen: { readonly top: number; readonly left: number }) {
  const patch = [at.top - seen.top, at.left - seen.left, at.height, at.width] as const;
  return { probability, leastProbability: least, patch };
}

async function writePng(path: string, pixels: Pixels): Promise<void> {
  const factor = Math.max(1, Math.floor(leastSide / Math.max(pixels.width, pixels.height)));
  const bytes = await encodePng(enlarge(pixels, factor));
  await writeAtomically(path, (write) => write(bytes));
}
