/** `tandem convert`, and the commands that take weights of others. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import sharp from 'sharp';
import t, { type Test } from 'tap';
import { classifyCommand } from '../src/cli/classify.js';
import { convertCommand } from '../src/cli/convert.js';
import { evaluateCommand } from '../src/cli/evaluate.js';
import { exportCommand } from '../src/cli/export.js';
import { trainCommand } from '../src/cli/train.js';
import { openTensors, openWeights, preset, writeSafetensors } from '../src/index.js';
import { emptyFolder, tandem } from './support/cli.js';
import { fixturePath } from './support/fixtures.js';
import { ownWeights, sameBits } from './support/foreignWeights.js';

const torch = fixturePath('torchvision.pth');
const caffe = fixturePath('bvlc_alexnet.caffemodel');
const options = (inputSize: number) =>
  ['width=0.015625', 'classes=5', `inputSize=${inputSize}`].flatMap((each) => ['--option', each]);
const owt = ['--model', 'alexnet-owt', ...options(95)];
const caffeAlexnet = ['--model', 'caffe-alexnet', ...options(71)];

const commands = [convertCommand, classifyCommand, evaluateCommand, exportCommand, trainCommand];

/** Runs a command in this process: what it prints. */
async function runs(t: Test, ...args: string[]): Promise<string> {
  const program = new Command().exitOverride();
  for (const make of commands) program.addCommand(make());
  const printed = t.capture(process.stdout, 'write');
  try {
    await program.parseAsync(args, { from: 'user' });
  } finally {
    printed.restore();
  }
  return printed()
    .map((call) => String(call.args[0]))
    .join('');
}

/** A command that ends with an error of ours, which is one line and exit status 2. */
async function fails(t: Test, message: RegExp, ...args: string[]) {
  await t.rejects(runs(t, ...args), { name: /^(File|Argument)Error$/, message });
}

/** Whether two files have the same tensors under the same names. */
async function sameFiles(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([openTensors(one), openTensors(other)]);
  try {
    for (const name of new Set([...a.tensors.keys(), ...b.tensors.keys()])) {
      if (!sameBits(await a.read(name), await b.read(name))) return false;
      if (`${a.tensors.get(name)?.shape}` !== `${b.tensors.get(name)?.shape}`) return false;
    }
    return true;
  } finally {
    await a.close();
    await b.close();
  }
}

t.test('what a file holds', async (t) => {
  const path = await emptyFolder(t);
  const text = await runs(t, 'convert', torch);
  t.match(text, /torchvision\.pth: torch, 16 tensors, 59\.7 KiB/);
  t.match(text, /features\.0\.weight +F32 +2 × 3 × 11 × 11 +2\.84 KiB/);
  t.match(text, /fits no preset/);
  t.match(await runs(t, 'convert', torch, ...owt), /weights of alexnet-owt, 5 classes/);
  const listing = JSON.parse(await runs(t, 'convert', caffe, '--json', '-'));
  t.equal(listing.format, 'caffemodel');
  t.same(listing.metadata, { name: 'AlexNet' });
  t.same(listing.tensors[0], { name: 'conv1/0', dtype: 'F32', shape: [2, 3, 11, 11], bytes: 2904 });
  t.same(listing.fits, []);

  const quick = path('quick.safetensors');
  await writeSafetensors(quick, ownWeights(preset('cifar10-quick', { classes: 3 })), { 'a\u001b[2J': 'b' });
  const fits = await runs(t, 'convert', quick);
  t.match(fits, /fits cifar10-quick, 3 classes \(tandem\)/);
  t.match(fits, /a\\u\{1b\}\[2J: b/, 'a terminal is spared what a file has for it');
});

t.test('round trips through every kind of file give the same bits', async (t) => {
  const path = await emptyFolder(t);
  const ours = path('ours.safetensors');
  t.match(await runs(t, 'convert', torch, ours, ...owt), /ours\.safetensors: alexnet-owt, 5 classes/);
  const { model, file } = await openWeights(ours);
  t.equal(model.options.width, 1 / 64);
  await file.close();
  await runs(t, 'convert', ours, path('theirs.safetensors'), '--layout', 'torchvision');
  t.ok(await sameFiles(path('theirs.safetensors'), torch), 'the names and bits of torchvision');
  await runs(t, 'convert', ours, path('net.onnx'));
  await runs(t, 'convert', path('net.onnx'), path('back.safetensors'));
  t.ok((await readFile(path('back.safetensors'))).equals(await readFile(ours)), 'by way of ONNX');

  const alexnet = path('alexnet.safetensors');
  await runs(t, 'convert', caffe, alexnet, ...caffeAlexnet);
  await runs(t, 'convert', fixturePath('bvlc_alexnet.npy'), path('same.safetensors'), ...caffeAlexnet);
  t.ok((await readFile(path('same.safetensors'))).equals(await readFile(alexnet)), 'from HWIO as from OIHW');
  await runs(t, 'convert', alexnet, path('hwio.safetensors'), '--layout', 'tensorflow');
  t.ok(await sameFiles(path('hwio.safetensors'), fixturePath('bvlc_alexnet.npy')), 'and back');

  await runs(t, 'convert', caffe, path('conv1.npy'), '--tensor', 'conv1/0');
  const npy = await openTensors(path('conv1.npy'));
  const blobs = await openTensors(caffe);
  t.same(npy.tensors.get('conv1')?.shape, [2, 3, 11, 11]);
  t.ok(sameBits(await npy.read('conv1'), await blobs.read('conv1/0')));
  await npy.close();
  await blobs.close();
});

/** A mean image of Caffe, [1, 3, side, side]: `levels` are those of its planes. */
function meanFile(side: number, levels: readonly number[]): Uint8Array {
  const data = Float32Array.from({ length: 3 * side * side }, (_, i) => levels[Math.floor(i / (side * side))]);
  const length = [];
  for (let rest = data.byteLength; rest > 0; rest = Math.floor(rest / 128))
    length.push((rest % 128) + (rest >= 128 ? 128 : 0));
  return new Uint8Array([0x08, 1, 0x10, 3, 0x18, side, 0x20, side, 0x2a, ...length, ...new Uint8Array(data.buffer)]);
}

t.test('mean image, colours, dropout', async (t) => {
  const path = await emptyFolder(t);
  // 256 · 71 / 227
  await writeFile(path('mean.binaryproto'), meanFile(80, [10, 20, 30]));
  const mean = ['--mean', path('mean.binaryproto')];
  await runs(t, 'convert', caffe, path('bgr.safetensors'), ...caffeAlexnet, ...mean);
  await runs(t, 'convert', caffe, path('rgb.safetensors'), ...caffeAlexnet, ...mean, '--bgr-to-rgb');
  const [bgr, rgb] = await Promise.all(['bgr', 'rgb'].map((name) => openWeights(path(`${name}.safetensors`))));
  const plane = 80 * 80;
  t.same(
    [0, 1, 2].map((c) => bgr.input?.meanImage?.[c * plane]),
    [10, 20, 30],
  );
  t.same(
    [0, 1, 2].map((c) => rgb.input?.meanImage?.[c * plane]),
    [30, 20, 10],
  );
  t.same([bgr.model.preprocessing.channels, rgb.model.preprocessing.channels], ['BGR', 'RGB']);
  t.same([bgr.input?.inference.reverseChannels, rgb.input?.inference.reverseChannels], [true, false]);
  const [first, turned] = await Promise.all([bgr, rgb].map(({ file }) => file.read('conv1.weight')));
  t.ok(sameBits(turned.subarray(0, 121), first.subarray(242, 363)));
  for (const { file } of [bgr, rgb]) await file.close();

  await runs(t, 'convert', caffe, path('folded.safetensors'), ...caffeAlexnet, '--fold');
  await runs(t, 'convert', caffe, path('train.safetensors'), ...caffeAlexnet, '--dropout-scaling', 'train');
  await runs(t, 'convert', caffe, path('plain.safetensors'), ...caffeAlexnet);
  const [folded, train, plain] = await Promise.all(
    ['folded', 'train', 'plain'].map((name) => openWeights(path(`${name}.safetensors`))),
  );
  t.same(folded.model.preprocessing.mean, [0, 0, 0]);
  const [half, whole] = await Promise.all([train, plain].map(({ file }) => file.read('fc7.weight')));
  t.ok(
    sameBits(
      half,
      whole.map((value) => value / 2),
    ),
  );
  for (const { file } of [folded, train, plain]) await file.close();

  const out = path('out.safetensors');
  await writeFile(path('small.binaryproto'), meanFile(71, [1, 2, 3]));
  await fails(
    t,
    /is a mean image of \[3, 71, 71\], expected \[3, 80, 80\]/,
    'convert',
    caffe,
    out,
    ...caffeAlexnet,
    '--mean',
    path('small.binaryproto'),
  );
  await fails(t, /conv1 pads with zeros/, 'convert', torch, out, ...owt, '--fold');
  await fails(t, /alexnet-owt reads RGB as it is/, 'convert', torch, out, ...owt, '--bgr-to-rgb');
  await fails(
    t,
    /none for caffe-alexnet, whose dropout scales at train: expected train, or a --layout/,
    'convert',
    caffe,
    out,
    ...caffeAlexnet,
    '--dropout-scaling',
    'test',
  );
  await fails(
    t,
    /the weights say that they are of caffe-alexnet, which does so/,
    'convert',
    path('plain.safetensors'),
    out,
    '--dropout-scaling',
    'train',
  );
});

t.test('as a process of its own', async (t) => {
  const listed = await tandem('convert', torch);
  t.same([listed.code, listed.stderr], [0, '']);
  t.match(listed.stdout, /16 tensors/);
  const failed = await tandem('convert', torch, '/none/out.safetensors', ...owt);
  t.same([failed.code, failed.stdout], [2, '']);
  t.match(failed.stderr, /^tandem: cannot write '\/none\/out\.safetensors': .*\n$/);
});

t.test('bad input', async (t) => {
  const path = await emptyFolder(t);
  const out = path('out.safetensors');
  await fails(t, /cannot read '.*gone\.pth'/, 'convert', path('gone.pth'));
  await fails(
    t,
    /does not say which network its weights are of, expected a model \(--model NAME\)/,
    'convert',
    torch,
    out,
  );
  await fails(
    t,
    /tensor 'features\.0\.weight' is \[2, 3, 11, 11\], expected \[64, 3, 11, 11\]/,
    'convert',
    torch,
    out,
    '--model',
    'alexnet-owt',
  );
  await fails(
    t,
    /expected a name that ends in \.safetensors, \.onnx or \.npy/,
    'convert',
    torch,
    path('out.pth'),
    ...owt,
  );
  await fails(t, /a \.npy file has one tensor: --tensor NAME/, 'convert', torch, path('out.npy'));
  await fails(t, /has no tensor 'fc9'/, 'convert', torch, path('out.npy'), '--tensor', 'fc9');
  await fails(
    t,
    /--layout is for \.safetensors/,
    'convert',
    torch,
    path('out.onnx'),
    ...owt,
    '--layout',
    'torchvision',
  );
  await fails(
    t,
    /layout torchvision is that of alexnet-owt, not of caffe-alexnet/,
    'convert',
    caffe,
    out,
    ...caffeAlexnet,
    '--layout',
    'torchvision',
  );
  await fails(t, /--bgr-to-rgb changes what is written, expected OUT/, 'convert', caffe, '--bgr-to-rgb');
  await fails(t, /--option is one of a preset/, 'convert', torch, out, '--option', 'width=1');
  await fails(t, /cannot write/, 'convert', torch, join(path('none'), 'out.safetensors'), ...owt);
  await t.rejects(readFile(out), { code: 'ENOENT' }, 'nothing was written');
});

t.test('classify, evaluate, train and export take weights of others', async (t) => {
  const path = await emptyFolder(t);
  const quick = path('quick.safetensors');
  await writeSafetensors(
    quick,
    ownWeights(preset('cifar10-quick')).map((each) => ({ ...each, data: each.data.map(() => 0.01) })),
  );
  const folders = ['data/one', 'data/two'].map(path);
  for (const folder of folders) {
    await mkdir(folder, { recursive: true });
    const grey = { width: 32, height: 32, channels: 3, background: '#808080' } as const;
    for (const name of ['a.png', 'b.png']) await sharp({ create: grey }).png().toFile(join(folder, name));
  }
  const data = ['--data', path('data')];
  const { XDG_CACHE_HOME } = process.env;
  process.env.XDG_CACHE_HOME = path('cache');
  t.teardown(() => {
    if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = XDG_CACHE_HOME;
  });
  const picture = join(folders[0], 'a.png');
  await writeFile(path('labels.txt'), `${Array.from({ length: 10 }, (_, i) => `thing ${i}`).join('\n')}\n`);
  const one = ['--backend', 'wasm', '--threads', '1'];
  const labels = ['--labels', path('labels.txt')];
  t.match(await runs(t, 'classify', picture, '--weights', quick, ...labels, ...one), /thing 0 +.* 10\.0 %/);
  const evaluated = await runs(
    t,
    'evaluate',
    '--weights',
    quick,
    '--model',
    'cifar10-quick',
    ...data,
    '--json',
    '-',
    ...one,
  );
  t.equal(JSON.parse(evaluated).model, 'cifar10-quick');
  const tuned = await runs(
    t,
    'train',
    '--weights',
    quick,
    '--model',
    'cifar10-quick',
    '--head',
    ...data,
    '--steps',
    '2',
    '--batch',
    '4',
    '--json',
    '-',
    ...one,
  );
  t.equal(JSON.parse(tuned).step, 2);
  t.match(await runs(t, 'export', '--weights', quick, '--onnx', path('quick.onnx')), /quick\.onnx: cifar10-quick/);
  t.match(await runs(t, 'convert', path('quick.onnx')), /weights of cifar10-quick, 10 classes/);
  await fails(
    t,
    /labels\.txt' has 10 lines, expected a name for each of 5 classes/,
    'classify',
    picture,
    '--weights',
    await fiveClasses(path),
    ...labels,
    ...one,
  );
  await fails(
    t,
    /expected \[96, 3, 11, 11\].* it has the shapes of cifar10-quick/,
    'classify',
    picture,
    '--weights',
    quick,
    '--model',
    'caffenet',
  );
});

async function fiveClasses(path: (name: string) => string): Promise<string> {
  await writeSafetensors(path('five.safetensors'), ownWeights(preset('cifar10-quick', { classes: 5 })));
  return path('five.safetensors');
}
