/** `tandem classify`: by a network whose weights are set by hand, so that it is known what it looks for, and where. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import t from 'tap';
import { enlarge, crop as part, pixelsOfPlanes } from '../src/data/pixels.js';
import {
  classify,
  type Engine,
  imageInput,
  loadStored,
  type Model,
  type Network,
  occlusion,
  openEngine,
  preset,
  saliency,
  saveNetwork,
  seenWindow,
  storedAs,
  storedShape,
} from '../src/index.js';
import { emptyFolder, tandem } from './support/cli.js';

const names = ['red thing', 'blue thing', 'nothing'];

/** Stored images of 20×20, of which the network sees 16×16. */
const [stored, seen] = [20, 16];

function redOrBlue(classNames?: readonly string[]): Model {
  const model = preset('cifar10-quick', { width: 1 / 16, inputSize: seen, classes: 3 });
  const preprocessing = {
    ...model.preprocessing,
    resize: stored,
    mean: [128, 128, 128],
    scale: 1 / 128,
    meanImage: false,
  };
  return { ...model, preprocessing, ...(classNames ? { classNames } : {}) };
}

/**
 * Channel 0 sees where red exceeds the other two, channel 1 where blue does, and both are handed on as they are; the score of a class is
 * `strength` times the mean over what its channel saw at last, that of 'nothing' is small and constant.
 */
async function paintingNetwork(engine: Engine, model: Model, strength = 40): Promise<Network<Model>> {
  const network = await engine.network(model, { input: imageInput(model, storedShape(storedAs(model.preprocessing))) });
  for (const { name, shape } of network.parameters) {
    const weights = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const at = (...indices: number[]) => indices.reduce((offset, index, i) => offset * shape[i] + index, 0);
    if (name === 'conv1.weight') {
      for (let c = 0; c < 3; c++) {
        weights[at(0, c, 2, 2)] = c === 0 ? 1 : -0.5;
        weights[at(1, c, 2, 2)] = c === 2 ? 1 : -0.5;
      }
    } else if (name === 'conv1.bias') {
      weights.fill(-0.05);
    } else if (/^conv.*weight$/.test(name)) {
      for (const channel of [0, 1]) weights[at(channel, channel, 2, 2)] = 1;
    } else if (name === 'ip1.weight') {
      const places = shape[1] / 4;
      for (const channel of [0, 1]) {
        for (let place = 0; place < places; place++) weights[at(channel, channel * places + place)] = 1 / places;
      }
    } else if (name === 'ip2.weight') {
      for (const channel of [0, 1]) weights[at(channel, channel)] = strength;
    } else if (name === 'ip2.bias') {
      weights[2] = 1;
    }
    await network.write(name, weights);
  }
  return network;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

/** A grey picture of the stored size with a square on it, as a file. */
async function paint(path: string, colour: string, { left, top, side }: Box): Promise<string> {
  const square = await sharp({ create: { width: side, height: side, channels: 3, background: colour } })
    .png()
    .toBuffer();
  await sharp({ create: { width: stored, height: stored, channels: 3, background: '#808080' } })
    .composite([{ input: square, left, top }])
    .png()
    .toFile(path);
  return path;
}

/** In the stored picture; the network sees what begins at (2, 2). A patch of the occlusion, which is 4×4, can hide them. */
const redBox = { left: 4, top: 11, side: 3 };
const blueBox = { left: 12, top: 3, side: 3 };

interface Report {
  readonly images: readonly {
    readonly file: string;
    readonly top: readonly { readonly class: number; readonly label: string; readonly probability: number }[];
    readonly explanation?: {
      readonly input: string;
      readonly saliency: string;
      readonly occlusion: string;
      readonly probability: number;
      readonly leastProbability: number;
      readonly patch: readonly number[];
    };
  }[];
}

t.test('the command', async (t) => {
  const path = await emptyFolder(t);
  const engine = await openEngine({ backend: 'wasm', threads: 1 });
  t.teardown(() => engine.close());
  const network = await paintingNetwork(engine, redOrBlue(names));
  const weights = path('net.safetensors');
  await saveNetwork(network, weights);
  await mkdir(path('other'));
  const red = await paint(path('red.png'), '#f02020', redBox);
  const blue = await paint(path('other/red.png'), '#2020f0', blueBox);
  const images = await loadStored([red, blue], storedAs(network.model.preprocessing));

  await t.test('top classes in words and bars', async (t) => {
    const { code, stdout, stderr } = await tandem(
      'classify',
      red,
      blue,
      '--weights',
      weights,
      '--model',
      'cifar10-quick',
    );
    t.equal(code, 0, stderr);
    const [first, second, ...more] = stdout.trimEnd().split('\n\n');
    t.same(more, []);
    const own = await classify(network, images);
    for (const [i, text] of [first, second].entries()) {
      const [file, ...lines] = text.split('\n');
      t.equal(file, [red, blue][i]);
      const expected = own[i].map(({ label, probability }) => {
        const bar = '█'.repeat(Math.floor(Math.round(probability * 192) / 8));
        return { label, bar, percent: `${(100 * probability).toFixed(1)} %` };
      });
      t.equal(lines.length, 3, 'no more than there are');
      for (const [k, { label, bar, percent }] of expected.entries()) {
        t.match(lines[k], new RegExp(`^  ${label.padEnd(10)}  ${bar}[▏▎▍▌▋▊▉]? +${percent.replace('.', '\\.')}$`));
      }
    }
    t.match(first, /^ {2}red thing /m);
    t.equal(own[0][0].label, 'red thing');
    t.equal(own[1][0].label, 'blue thing');
  });

  await t.test('ten crops, as JSON', async (t) => {
    const { code, stdout, stderr } = await tandem(
      'classify',
      blue,
      red,
      '--weights',
      weights,
      '--crops',
      '10',
      '--json',
      '-',
    );
    t.equal(code, 0, stderr);
    const report = JSON.parse(stdout) as Report;
    t.match(report, { model: 'cifar10-quick', weights, backend: /wasm/, crops: 10 });
    const whole = await classify(network, images, { crops: 10 });
    const centre = await classify(network, images);
    for (const [i, { file, top }] of report.images.entries()) {
      t.equal(file, [blue, red][i]);
      t.same(
        top.map(({ class: index, label }) => [index, label]),
        whole[1 - i].map(({ class: index, label }) => [index, label]),
      );
      for (const [k, { probability }] of top.entries()) {
        t.ok(Math.abs(probability - whole[1 - i][k].probability) < 1e-5);
      }
    }
    // The mean over all ten views, each of them a forward run of its own.
    const offsets = [0, 2, 4];
    const views = [
      [0, 0],
      [0, 4],
      [2, 2],
      [4, 0],
      [4, 4],
    ].flatMap((offset) => [0, 1].map((flipHorizontal) => ({ crop: 'fixed' as const, offset, flipHorizontal })));
    t.ok(views.every(({ offset }) => offset.every((each) => offsets.includes(each))));
    const mean = new Float64Array(3);
    for (const view of views) {
      const { probabilities } = await network.forward(images.subarray(1200), { view });
      probabilities.forEach((probability, c) => {
        mean[c] += probability / 10;
      });
    }
    for (const { class: index, probability } of whole[1]) t.ok(Math.abs(mean[index] - probability) < 1e-6);
    t.ok(Math.abs(centre[1][0].probability - whole[1][0].probability) > 1e-3, 'which is not that of the centre');
  });

  await t.test('classes without names are numbers', async (t) => {
    const nameless = await paintingNetwork(engine, redOrBlue());
    await saveNetwork(nameless, path('nameless.safetensors'));
    const { stdout } = await tandem('classify', blue, '--weights', path('nameless.safetensors'));
    t.match(stdout, /^ {2}1 {2}█/m);
  });

  await t.test('--explain writes pictures whose hottest place is the object', async (t) => {
    const folder = path('why/here');
    const args = ['classify', red, blue, '--weights', weights, '--explain', folder, '--json', path('why.json')];
    const { code, stdout, stderr } = await tandem(...args);
    t.equal(code, 0, stderr);
    const kinds = ['input', 'occlusion', 'saliency'];
    const files = ['red', 'red-2'].flatMap((stem) => kinds.map((kind) => `${stem}.${kind}.png`));
    t.same((await readdir(folder)).sort(), files.sort(), 'two pictures of one name are kept apart');
    const report = JSON.parse(await readFile(path('why.json'), 'utf8')) as Report;
    for (const [i, { left, top, side }] of [redBox, blueBox].entries()) {
      const found = report.images[i].explanation;
      if (!found) throw new Error('no explanation');
      for (const kind of ['input', 'saliency', 'occlusion'] as const) t.match(stdout, found[kind]);
      const input = await pictureOf(found.input);
      const planes = images.subarray(i * 1200, (i + 1) * 1200);
      const window = { left: 2, top: 2, height: seen, width: seen };
      t.same(input, enlarge(part(pixelsOfPlanes(planes, [3, stored, stored]), window), 16), 'what the network sees');
      // Pixels of the input that the object covers.
      const within = ([x, y]: readonly [number, number]) =>
        x >= left - 2 && x < left - 2 + side && y >= top - 2 && y < top - 2 + side;
      for (const kind of ['saliency', 'occlusion'] as const) {
        const map = await heatOf(found[kind]);
        t.ok(within(map.hottest), `${kind} of ${found[kind]}`, map);
      }
      const saliencyMap = await heatOf(found.saliency);
      t.ok(saliencyMap.coloured.every(within), 'only the object matters to the gradient');
      t.ok(found.leastProbability < found.probability - 0.5, 'the patch hides it');
      const [patchTop, patchLeft, height, width] = found.patch;
      t.ok(within([patchLeft + (width >> 1), patchTop + (height >> 1)]));
      t.match(stdout, `rows ${patchTop} to ${patchTop + height - 1}, columns ${patchLeft} to`);
    }
  });

  await t.test('what cannot be', async (t) => {
    await writeFile(path('text.jpg'), 'not an image');
    await writeFile(path('text.safetensors'), 'these are no weights');
    await writeFile(path('file'), 'not a folder');
    const given = ['--weights', weights];
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [['classify'], /missing required argument 'image'/],
      [['classify', red, path('text.jpg'), ...given], /cannot read the image '.*text\.jpg': /],
      [
        ['classify', path('none.png'), red, path('text.jpg'), ...given],
        /2 of 3 images cannot be read: .*none\.png.*text\.jpg/,
      ],
      [['classify', red, '--weights', path('none.safetensors')], /cannot read '.*none\.safetensors'/],
      [
        ['classify', red, '--weights', path('text.safetensors')],
        /text\.safetensors' is no file of weights that is known/,
      ],
      [
        ['classify', red, ...given, '--model', 'cifar10-full'],
        /holds the weights of cifar10-quick, expected those of cifar10-full/,
      ],
      [['classify', red, '--model', 'caffe-alexnet'], /no weights of caffe-alexnet come along: --weights FILE/],
      [['classify', red, ...given, '--crops', '5'], /'5' is invalid. Expected one of 1, 10/],
      [['classify', red, ...given, '--explain', path('file')], /cannot make the folder '.*file'/],
      [['classify', red, ...given, '--json', path('no/such.json')], /cannot write '.*such\.json'/],
    ];
    const results = await Promise.all(wrong.map(([args]) => tandem(...args)));
    for (const [i, { code, stdout, stderr }] of results.entries()) {
      t.equal(code, 2, wrong[i][0].join(' '));
      t.match(stderr, wrong[i][1]);
      t.match(stderr, /^[^\n]+\n$/, 'one line');
      t.equal(stdout, '');
    }
  });
});

t.test('the network that comes along', async (t) => {
  const path = await emptyFolder(t);
  const shipped = fileURLToPath(new URL('../../models/cifar10-quick.safetensors', import.meta.url));
  t.ok((await stat(shipped)).size < 600_000, 'under 600 KB');
  const { code, stdout, stderr } = await tandem('classify', await paint(path('red.png'), '#f02020', redBox));
  t.equal(code, 0, stderr);
  t.equal(stdout.match(/ %$/gm)?.length, 5);
  t.match(stdout, /airplane|automobile|bird|cat|deer|dog|frog|horse|ship|truck/);
});

async function pictureOf(path: string) {
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

/** Which pixels of the input, each a square of 16×16, an overlay has coloured, and the most coloured of them: the picture below is grey. */
async function heatOf(path: string) {
  const { width, data } = await pictureOf(path);
  const coloured: [number, number][] = [];
  let [most, hottest]: [number, [number, number]] = [-1, [0, 0]];
  for (let y = 0; y < seen; y++) {
    for (let x = 0; x < seen; x++) {
      const at = 3 * ((16 * y + 8) * width + 16 * x + 8);
      const levels = data.subarray(at, at + 3);
      const chroma = Math.max(...levels) - Math.min(...levels);
      if (chroma > 0) coloured.push([x, y]);
      if (chroma > most) [most, hottest] = [chroma, [x, y]];
    }
  }
  return { coloured, hottest, most };
}

t.test('saliency is the slope of the margin', async (t) => {
  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  const model = redOrBlue();
  const network = await engine.network(model, { seed: 4, input: imageInput(model, [3, stored, stored]) });
  // Initial weights of 1e-4 leave little to differ.
  for (const { name } of network.parameters) {
    if (!name.endsWith('weight')) continue;
    const weights = await network.read(name);
    const largest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    await network.write(
      name,
      weights.map((weight) => (0.4 * weight) / largest),
    );
  }
  const image = new Uint8Array(1200).map((_, i) => (i * 83 + (i % 7) * 31) % 256);
  const { values } = await saliency(network, image, 1, 0);
  const plane = seen * seen;
  const input = Float32Array.from({ length: 3 * plane }, (_, i) => {
    const [c, y, x] = [Math.floor(i / plane), Math.floor((i % plane) / seen), i % seen];
    return (image[(c * stored + y + 2) * stored + x + 2] - 128) / 128;
  });
  const margin = async (at: number, change: number) => {
    const changed = input.slice();
    changed[at] += change;
    const { logits } = await network.forward(changed);
    return logits[1] - logits[0];
  };
  let checked = 0;
  for (const pixel of [5, 40, 77, 136, 170, 255]) {
    const slopes: number[] = [];
    for (let c = 0; c < 3; c++) {
      const at = c * plane + pixel;
      slopes.push(Math.abs((await margin(at, 1 / 64)) - (await margin(at, -1 / 64))) * 32);
    }
    const expected = Math.max(...slopes);
    if (expected === 0) continue;
    checked++;
    t.ok(Math.abs(values[pixel] - expected) < 0.02 * expected + 1e-4, `pixel ${pixel}`, {
      value: values[pixel],
      expected,
    });
  }
  t.ok(checked >= 4, 'pixels that matter were among them', { checked });
});

t.test('saliency does not vanish where the network is sure', async (t) => {
  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  const image = new Uint8Array(1200).fill(128).fill(250, 0, 100);
  const [modest, sure] = await Promise.all(
    [10, 10_000].map(async (strength) => {
      const network = await paintingNetwork(engine, redOrBlue(), strength);
      const [[first, second]] = await classify(network, image);
      t.equal(first.class, 0);
      return { probability: first.probability, map: await saliency(network, image, first.class, second.class) };
    }),
  );
  t.ok(modest.probability < 0.999);
  t.equal(sure.probability, 1);
  const largest = (map: { readonly values: Float32Array }) => Math.max(...map.values);
  t.ok(Math.abs(largest(sure.map) / largest(modest.map) - 1000) < 1, 'the slope grows as the scores do');
});

const mix = (share: number, from: number, to: number) => (1 - share) * from + share * to;

t.test('occlusion is the fall with a grey patch', async (t) => {
  const engine = await openEngine({ backend: 'reference' });
  t.teardown(() => engine.close());
  const network = await paintingNetwork(engine, redOrBlue());
  t.same(seenWindow(network), { top: 2, left: 2, height: 16, width: 16 });
  const image = new Uint8Array(1200).fill(128);
  for (let y = 11; y < 16; y++) image.fill(240, y * stored + 4, y * stored + 9);
  const progress: number[] = [];
  const found = await occlusion(network, image, 0, { places: 4, batch: 5, onProgress: (done) => progress.push(done) });
  t.same(progress, [5, 10, 15, 17], '16 patches and the image as it is');
  const probability = async (bytes: Uint8Array) => (await network.forward(bytes)).probabilities[0];
  t.ok(Math.abs(found.probability - (await probability(image))) < 1e-6);
  // Places are 2, 6, 10 and 14; a patch is 4 wide, so that all of them tile the input.
  const falls = new Float64Array(16);
  for (let place = 0; place < 16; place++) {
    const covered = image.slice();
    const [top, left] = [2 + 4 * (place >> 2), 2 + 4 * (place % 4)];
    for (let y = top; y < top + 4; y++) {
      for (let c = 0; c < 3; c++)
        covered.fill(128, (c * stored + y) * stored + left, (c * stored + y) * stored + left + 4);
    }
    falls[place] = found.probability - (await probability(covered));
  }
  const at = (y: number, x: number) => found.values[y * 16 + x];
  t.ok(Math.abs(at(0, 0) - falls[0]) < 1e-6, 'the same outwards of the outer places');
  t.ok(Math.abs(at(15, 14) - falls[15]) < 1e-6);
  // The centre of pixel 5 is at 5.5, an eighth of the way from 6 back to 2.
  t.ok(Math.abs(at(5, 0) - (0.125 * falls[0] + 0.875 * falls[4])) < 1e-6, 'linear between');
  const between = mix(0.625, mix(0.125, falls[9], falls[10]), mix(0.125, falls[13], falls[14]));
  t.ok(Math.abs(at(12, 6) - between) < 1e-6, 'both ways');
  const worst = falls.indexOf(Math.max(...falls));
  t.same(found.at, { top: 2 + 4 * (worst >> 2), left: 2 + 4 * (worst % 4), height: 4, width: 4 });
  t.ok(Math.abs(found.least - (found.probability - falls[worst])) < 1e-6);

  await t.rejects(occlusion(network, image, 0, { patch: 0 }), {
    name: 'ArgumentError',
    message: /patch must be a share/,
  });
  await t.rejects(occlusion(network, image.subarray(1), 0), {
    name: 'InputError',
    message: /takes 1200 bytes, got 1199/,
  });
  await t.rejects(classify(network, image.subarray(1)), {
    name: 'InputError',
    message: /multiple of 1200 bytes, got 1199/,
  });
  await t.rejects(classify(network, image, { crops: 3 as 1 }), {
    name: 'ArgumentError',
    message: /crops must be 1 or 10/,
  });
  const blind = await engine.network(redOrBlue());
  await t.rejects(classify(blind, image), { name: 'ArgumentError', message: /open it with 'input'/ });
});
