import sharp from 'sharp';
import t from 'tap';
import { memoryDataset } from '../src/data/dataset.js';
import { batches } from '../src/data/loader.js';
import { drawPart, placeInCentre, type ResizedCrop, resizePart } from '../src/data/resizedCrop.js';
import { ArgumentError } from '../src/errors.js';
import { philox4x32 } from '../src/ops/lib/philox.js';

const torch: ResizedCrop = { area: [0.08, 1], aspect: [3 / 4, 4 / 3], size: 24 };

t.test('parts lie in the image, and have the area and aspect that were asked for', async (t) => {
  const side = 256;
  const count = 2000;
  let [areas, logAspects, squares] = [0, 0, 0];
  for (let index = 0; index < count; index++) {
    const [top, left, height, width] = drawPart(torch, [side, side], 1, 0, index);
    if (top < 0 || left < 0 || top + height > side || left + width > side) t.fail(`${[top, left, height, width]}`);
    const [area, aspect] = [(height * width) / side ** 2, width / height];
    if (!(area > 0.078 && area <= 1 && aspect > 0.74 && aspect < 1.36)) t.fail(`area ${area}, aspect ${aspect}`);
    areas += area / count;
    logAspects += Math.log(aspect) / count;
    squares += Math.log(aspect) ** 2 / count;
  }
  // Large parts of long aspect do not fit, so that the mean is less than (0.08 + 1)/2.
  t.ok(areas > 0.46 && areas < 0.54, `mean area ${areas}`);
  t.ok(Math.abs(logAspects) < 0.02, `mean of the logarithm of the aspect ${logAspects}`);
  t.ok(squares > 0.02 && squares <= Math.log(4 / 3) ** 2 / 3 + 0.003, `its square ${squares}`);
});

t.test('an image of any other aspect gives its centre', async (t) => {
  const whole: ResizedCrop = { area: [1, 1], aspect: [3 / 4, 4 / 3], size: 8 };
  t.same(drawPart(whole, [100, 400], 1, 0, 0), [0, 133, 100, 133]);
  t.same(drawPart(whole, [400, 100], 1, 0, 0), [133, 0, 133, 100]);
});

t.test('resizing a part', async (t) => {
  const shape = [2, 6, 8] as const;
  const image = Uint8Array.from({ length: 96 }, (_, i) => (i * 37) % 256);
  const same = new Uint8Array(2 * 16);
  resizePart(image, shape, [1, 3, 4, 4], 4, same);
  const cut = [0, 1].flatMap((c) =>
    [0, 1, 2, 3].flatMap((y) => [0, 1, 2, 3].map((x) => image[(c * 6 + 1 + y) * 8 + 3 + x])),
  );
  t.same([...same], cut, 'to its own size: a copy');

  const halves = new Uint8Array(2);
  resizePart(Uint8Array.from([0, 0, 90, 90, 200, 200, 200, 200]), [2, 2, 2], [0, 0, 2, 2], 1, halves);
  t.same([...halves], [45, 200], 'to one pixel: the mean');

  // Two pixels to four: their centres are at ½ and 1½, those of the four at ¼, ¾, 1¼ and 1¾.
  const wider = new Uint8Array(16);
  resizePart(Uint8Array.from([0, 100, 0, 100]), [1, 2, 2], [0, 0, 2, 2], 4, wider);
  t.same([...wider.subarray(0, 4)], [0, 25, 75, 100], 'enlarged: straight lines between');
});

t.test('shrinking is what sharp makes of it with the same kind of filter', async (t) => {
  const side = 40;
  const words = new Uint32Array(4);
  const image = Uint8Array.from({ length: 3 * side * side }, (_, i) => {
    philox4x32([(i % side) >> 2, i >> 6, 0, 0], [1, 2], words);
    return words[0] & 255;
  });
  const part = [3, 5, 30, 24] as const;
  const size = 16;
  const found = new Uint8Array(3 * size * size);
  resizePart(image, [3, side, side], part, size, found);
  const [top, left, height, width] = part;
  const pixels = Uint8Array.from(
    { length: 3 * side * side },
    (_, i) => image[(i % 3) * side * side + Math.floor(i / 3)],
  );
  const wanted = await sharp(pixels, { raw: { width: side, height: side, channels: 3 } })
    .extract({ top, left, width, height })
    .resize(size, size, { fit: 'fill', kernel: 'linear', fastShrinkOnLoad: false })
    .raw()
    .toBuffer();
  let sum = 0;
  for (let i = 0; i < found.length; i++) {
    sum += Math.abs(found[i] - wanted[3 * (i % (size * size)) + Math.floor(i / (size * size))]);
  }
  // Its weights have few bits, and it sees beyond the edge. One pixel off would make a difference of some 30 levels.
  t.ok(sum / found.length < 1.5, `levels differ by ${sum / found.length}`);
});

t.test('a part comes to lie in the centre', async (t) => {
  const image = new Uint8Array(2 * 20);
  placeInCentre(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]), 2, [2, 4, 5], image);
  const expected = new Map([1, 2, 3, 4, 5, 6, 7, 8].map((value, i) => [[6, 7, 11, 12, 26, 27, 31, 32][i], value]));
  t.same(
    [...image],
    Array.from({ length: 40 }, (_, i) => expected.get(i) ?? 0),
  );
});

t.test('batches of resized crops: by seed, epoch and image', async (t) => {
  const bytes = Uint8Array.from({ length: 6 * 3 * 64 }, (_, i) => (i * 7919) % 256);
  const dataset = memoryDataset('noise', [3, 8, 8], ['one'], new Int32Array(6), bytes);
  const resizedCrop = { ...torch, size: 5 };
  /** What the network crops out of [3, 8, 8]; nothing else may be looked at. */
  const centre = (image: Uint8Array) =>
    image.filter((_, i) => i % 8 >= 1 && i % 8 < 6 && (i >> 3) % 8 >= 1 && (i >> 3) % 8 < 6).join();
  const collect = async (seed: number, epoch: number, batch: number, from = 0) => {
    const images = new Map<number, string>();
    for await (const each of batches(dataset, { batch, seed, epoch, from, resizedCrop })) {
      t.equal(each.images.length, each.indices.length * 192);
      each.indices.forEach((index, n) => images.set(index, centre(each.images.subarray(192 * n, 192 * (n + 1)))));
    }
    return images;
  };
  const first = await collect(1, 0, 4);
  t.equal(first.size, 6);
  t.same(await collect(1, 0, 3), first, 'whatever the batch');
  for (const [index, image] of await collect(1, 0, 4, 1)) t.equal(image, first.get(index), 'from the second batch on');
  t.notSame((await collect(1, 1, 4)).get(0), first.get(0), 'another epoch');
  t.notSame((await collect(2, 0, 4)).get(0), first.get(0), 'another seed');
  const tooLarge = batches(dataset, { batch: 2, resizedCrop: { ...torch, size: 9 } });
  await t.rejects(tooLarge.next(), new ArgumentError('noise: crops of 9×9 do not fit into images of 8×8'));
});
