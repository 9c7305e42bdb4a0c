/** Images decoded in a page: a real browser, and the same files by sharp in Node. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { launchChromium } from '../bench/chromium.js';
import { startServer } from '../src/cli/lib/server.js';
import { openBitmaps, openData, type Preprocessing } from '../src/index.js';

t.setTimeout(300_000);

const preprocessing: Preprocessing = {
  channels: 'RGB',
  fit: 'shorter-side',
  resize: 8,
  crop: 8,
  mean: [0, 0, 0],
  scale: 1,
};

interface InPage {
  readonly name: string;
  readonly class: string;
  readonly bytes: readonly number[];
}

interface Task {
  readonly images: readonly InPage[];
  readonly preprocessing: Preprocessing;
  readonly skipBad: boolean;
}

interface Outcome {
  readonly error?: string;
  readonly shape?: readonly number[];
  readonly classes?: readonly string[];
  readonly labels?: readonly number[];
  readonly bytes?: readonly number[];
  readonly skipped: readonly string[];
}

/** Runs in the page: it uses nothing from outside. */
async function decode({ images, preprocessing, skipBad }: Task): Promise<Outcome> {
  const library: typeof import('../src/index.js') = await import('/dist/lib/index.js' as string);
  const skipped: string[] = [];
  const files = images.map(({ name, class: folder, bytes }) => {
    const file = new File([Uint8Array.from(bytes)], name, { type: `image/${name.split('.')[1]}` });
    Object.defineProperty(file, 'webkitRelativePath', { value: `data/${folder}/${name}` });
    return file;
  });
  try {
    const options = { preprocessing, skipBad, onSkipped: (path: string) => skipped.push(path) };
    const dataset = await library.openBitmaps(library.classedFiles(files), options);
    const [c, h, w] = dataset.shape;
    const into = new Uint8Array(dataset.labels.length * c * h * w);
    await dataset.read([...dataset.labels.keys()], into);
    const { shape, classes } = dataset;
    return { shape, classes, labels: [...dataset.labels], bytes: [...into], skipped };
  } catch (error) {
    return { error: String(error), skipped };
  }
}

t.test('a page decodes what Node decodes', async (t) => {
  const browser = await launchChromium();
  const server = await startServer(0);
  t.teardown(async () => {
    await browser.close();
    await server.close();
  });
  const page = await browser.newPage();
  await page.goto(server.url);

  // Three squares side by side: red, green, blue; the middle one is the centre.
  const thirds = Uint8Array.from({ length: 24 * 8 * 3 }, (_, i) =>
    i % 3 === Math.floor(((i / 3) % 24) / 8) ? 200 : 0,
  );
  const wide = sharp(thirds, { raw: { width: 24, height: 8, channels: 3 } });
  const clear = { create: { width: 8, height: 8, channels: 4, background: { r: 200, g: 0, b: 0, alpha: 0 } } } as const;
  const files: Readonly<Record<string, Buffer>> = {
    'b/wide.png': await wide.clone().png().toBuffer(),
    'a/wide.webp': await wide.clone().webp({ lossless: true }).toBuffer(),
    'a/clear.png': await sharp(clear).png().toBuffer(),
    // Told to be turned by a quarter: the blue square comes on top or below, the centre stays.
    'c/turned.jpeg': await wide
      .clone()
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer(),
  };
  const images = Object.entries(files).map(([path, bytes]) => {
    const [folder, name] = path.split('/');
    return { name, class: folder, bytes: [...bytes] };
  });
  const ask = (task: Task): Promise<Outcome> => page.evaluate(`(${decode.toString()})(${JSON.stringify(task)})`);

  const found = await ask({ images, preprocessing, skipBad: false });
  t.match(found, { error: undefined, shape: [3, 8, 8], classes: ['a', 'b', 'c'], labels: [1, 0, 0, 2] });
  const data = t.testdir({ data: { a: {}, b: {}, c: {} } });
  for (const [path, bytes] of Object.entries(files)) await writeFile(join(data, 'data', path), bytes);
  const { train } = await openData(join(data, 'data'), { preprocessing, cache: join(data, 'cache') });
  const into = new Uint8Array(4 * 192);
  await train.read([2, 1, 0, 3], into);
  const worst = into.reduce((most, value, i) => Math.max(most, Math.abs(value - (found.bytes?.[i] ?? 1000))), 0);
  t.ok(worst <= 6, `levels differ by ${worst}`);

  const warped = await ask({
    images,
    preprocessing: { ...preprocessing, fit: 'warp', channels: 'grey', mean: [0] },
    skipBad: false,
  });
  t.same(warped.shape, [1, 8, 8]);
  const [left, right] = [warped.bytes?.[8], warped.bytes?.[15]];
  t.ok(Math.abs((left ?? 0) - 0.299 * 200) < 2 && Math.abs((right ?? 0) - 0.114 * 200) < 2, `${left} and ${right}`);

  const bad = [...images, { name: 'text.png', class: 'b', bytes: [1, 2, 3] }];
  const refused = await ask({ images: bad, preprocessing, skipBad: false });
  t.match(
    refused.error,
    /FileError: 1 of 5 images of images cannot be read[^\n]*\ncannot read the image 'b\/text.png': /,
  );
  const skipped = await ask({ images: bad, preprocessing, skipBad: true });
  t.same(skipped, { ...found, skipped: ['b/text.png'] });
  const none = await ask({ images: [{ name: 'notes.text', class: 'b', bytes: [1] }], preprocessing, skipBad: true });
  t.match(none.error, 'InputError: images: there are no images, expected JPEG, PNG or WebP files');
});

t.test('where there is no decoder it says so', async (t) => {
  const image = { file: new Blob([]), class: 'a' };
  await t.rejects(openBitmaps([image], { preprocessing }), {
    name: 'BackendError',
    message: 'decoding images in a page needs createImageBitmap and OffscreenCanvas',
  });
});
