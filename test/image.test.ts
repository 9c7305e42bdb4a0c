import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import t from 'tap';
import { type Pixels, readImage } from '../src/data/image.js';
import { loadImages, preprocessImage } from '../src/data/preprocess.js';
import { ArgumentError, InputError } from '../src/errors.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';
import type { Preprocessing } from '../src/models/model.js';

const plain: Preprocessing = { channels: 'RGB', fit: 'warp', resize: 8, crop: 8, mean: [0, 0, 0], scale: 1 };

/** Pixel (x, y) is (10·x, 10·y, 7). */
function ramp(width: number, height: number): Pixels {
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) data.set([10 * (i % width), 10 * Math.floor(i / width), 7], 3 * i);
  return { width, height, data };
}

function encoder({ width, height, data }: Pixels) {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

t.test('PNG, JPEG and WebP are decoded to RGB', async (t) => {
  const folder = t.testdir();
  const image = ramp(20, 12);
  const file = (name: string) => join(folder, name);
  await encoder(image).png().toFile(file('a.png'));
  await encoder(image).webp({ lossless: true }).toFile(file('a.webp'));
  await encoder(image).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toFile(file('a.jpg'));
  t.same(await readImage(file('a.png')), image);
  t.same(await readImage(file('a.webp')), image);
  const jpeg = await readImage(file('a.jpg'));
  t.same([jpeg.width, jpeg.height], [20, 12]);
  t.ok(
    jpeg.data.every((value, i) => Math.abs(value - image.data[i]) <= 6),
    'JPEG loses a little',
  );
});

t.test('grey, CMYK, 16-bit, transparent and turned images come out as upright 8-bit RGB', async (t) => {
  const folder = t.testdir();
  const file = (name: string) => join(folder, name);
  const levels = async (name: string) => [...(await readImage(file(name))).data.subarray(0, 3)];
  await sharp({ create: { width: 4, height: 4, channels: 3, background: '#646464' } })
    .greyscale()
    .png()
    .toFile(file('grey.png'));
  t.same(await levels('grey.png'), [100, 100, 100]);
  await sharp({ create: { width: 4, height: 4, channels: 3, background: '#c86432' } })
    .toColourspace('rgb16')
    .png()
    .toFile(file('deep.png'));
  t.same(await levels('deep.png'), [200, 100, 50]);
  await sharp({ create: { width: 4, height: 4, channels: 4, background: { r: 200, g: 0, b: 0, alpha: 0 } } })
    .png()
    .toFile(file('clear.png'));
  t.same(await levels('clear.png'), [255, 255, 255]);
  await encoder(ramp(16, 16)).toColourspace('cmyk').jpeg().toFile(file('cmyk.jpg'));
  t.equal((await readImage(file('cmyk.jpg'))).data.length, 3 * 16 * 16);
  await encoder(ramp(20, 10)).withMetadata({ orientation: 6 }).png().toFile(file('turned.png'));
  const turned = await readImage(file('turned.png'));
  t.same([turned.width, turned.height], [10, 20]);
});

t.test('resizing', async (t) => {
  const path = join(t.testdir(), 'a.png');
  await encoder(ramp(24, 12)).png().toFile(path);
  const size = ({ width, height }: Pixels) => [width, height];
  t.same(size(await readImage(path, { fit: 'warp', size: 9 })), [9, 9]);
  t.same(size(await readImage(path, { fit: 'shorter-side', size: 9 })), [18, 9]);
  t.same(size(await readImage(path, { fit: 'shorter-side', size: 30 })), [60, 30]);
});

t.test('preprocessing: centre crop, channel order, mean, scale', async (t) => {
  const image = ramp(9, 6);
  const rgb = preprocessImage(image, { ...plain, crop: 4, mean: [1, 2, 3], scale: 0.5 });
  t.equal(rgb.length, 3 * 4 * 4);
  // The crop starts at column floor(5/2) and row floor(2/2).
  t.same(
    [...rgb.subarray(0, 5)],
    [20, 30, 40, 50, 20].map((v) => (v - 1) * 0.5),
  );
  t.same(
    [...rgb.subarray(16, 21)],
    [10, 10, 10, 10, 20].map((v) => (v - 2) * 0.5),
  );
  t.same([...rgb.subarray(32, 34)], [2, 2]);
  const bgr = preprocessImage(image, { ...plain, channels: 'BGR', crop: 4, mean: [7, 0, 0] });
  t.same([bgr[0], bgr[16], bgr[32]], [0, 10, 20]);
  const grey = preprocessImage(image, { ...plain, channels: 'grey', crop: 4, mean: [5] });
  t.equal(grey.length, 16);
  t.equal(grey[0], Math.fround(0.299 * 20 + 0.587 * 10 + 0.114 * 7 - 5));
  const into = new Float32Array(48);
  t.equal(preprocessImage(image, { ...plain, crop: 4 }, into), into);

  t.throws(
    () => preprocessImage(image, plain),
    new InputError("the image is 9×6, the network's input is cut from at least 8×8"),
  );
  t.throws(() => preprocessImage({ ...image, width: 10 }, plain), InputError);
  t.throws(() => preprocessImage(image, { ...plain, crop: 4 }, new Float32Array(47)), ArgumentError);
});

t.test("Caffe's preprocessing of a plain picture", async (t) => {
  const path = join(t.testdir(), 'a.png');
  await sharp({ create: { width: 300, height: 200, channels: 3, background: { r: 10, g: 20, b: 30 } } })
    .png()
    .toFile(path);
  const batch = await loadImages([path, path], caffeAlexnet().preprocessing);
  t.equal(batch.length, 2 * 3 * 227 * 227);
  const plane = 227 * 227;
  const levels = [30 - 104.00698793, 20 - 116.66876762, 10 - 122.67891434].map(Math.fround);
  t.ok(batch.every((value, i) => value === levels[Math.floor(i / plane) % 3]));
});

t.test('many images keep their order', async (t) => {
  const folder = t.testdir();
  const paths = await Promise.all(
    Array.from({ length: 9 }, async (_, i) => {
      const path = join(folder, `${i}.png`);
      await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: i, g: 0, b: 0 } } })
        .png()
        .toFile(path);
      return path;
    }),
  );
  const batch = await loadImages(paths, plain);
  t.same(
    paths.map((_, i) => batch[i * 3 * 64]),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  );
});

t.test('every file that cannot be read is named', async (t) => {
  const folder = t.testdir({ 'text.jpg': 'not an image', folder: {} });
  const path = (name: string) => join(folder, name);
  await encoder(ramp(64, 64)).png().toFile(path('good.png'));
  await encoder(ramp(64, 64)).jpeg().toFile(path('whole.jpg'));
  const whole = await readFile(path('whole.jpg'));
  await writeFile(path('cut.jpg'), whole.subarray(0, whole.length * 0.6));
  await writeFile(path('empty.png'), '');
  for (const name of ['text.jpg', 'none.jpg', 'cut.jpg', 'empty.png', 'folder']) {
    const message = new RegExp(`cannot read the image '.*${name.replace('.', '\\.')}': `);
    await t.rejects(readImage(path(name)), { name: 'FileError', message }, name);
    await t.rejects(loadImages([path('good.png'), path(name)], plain), { name: 'FileError', message }, name);
  }
  const both = loadImages([path('none.jpg'), path('good.png'), path('cut.jpg')], plain);
  await t.rejects(both, { name: 'FileError', message: /^2 of 3 images cannot be read:\n.*cut\.jpg.*\n.*none\.jpg/ });
  await t.rejects(loadImages([], plain), ArgumentError);
});
