/** `tandem train` and `tandem evaluate` as users have them, killed at random moments too. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { openData } from '../src/data/openData.js';
import { channelMeans, principalComponents } from '../src/data/statistics.js';
import type { ImageInput } from '../src/engine/imageInput.js';
import { openWeights } from '../src/formats/network.js';
import { readCheckpoint } from '../src/train/checkpoint.js';
import { emptyFolder, tandem } from './support/cli.js';
import { uniform } from './support/tensors.js';

const main = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

/** IDX files as MNIST has them, of `train` and `test` images 28×28: digit d is bright in stripe d. */
async function writeDigits(path: (name: string) => string, train: number, test: number): Promise<void> {
  const next = uniform(7);
  for (const [name, count] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const labels = Array.from({ length: count }, (_, i) => i % 10);
    const pixels = labels.flatMap((label) =>
      Array.from({ length: 784 }, (_, at) => Math.floor(100 * next()) + (Math.floor(at / 84) === label ? 150 : 0)),
    );
    const images = new Uint8Array(16 + pixels.length);
    const header = new DataView(images.buffer);
    for (const [i, value] of [0x803, count, 28, 28].entries()) header.setInt32(4 * i, value);
    images.set(pixels, 16);
    await writeFile(path(`${name}-images-idx3-ubyte`), images);
    const bytes = new Uint8Array(8 + count);
    const view = new DataView(bytes.buffer);
    for (const [i, value] of [0x801, count].entries()) view.setInt32(4 * i, value);
    bytes.set(labels, 8);
    await writeFile(path(`${name}-labels-idx1-ubyte`), bytes);
  }
}

/** A narrow mnist-tf on stripes of the images: Adam, dropout, a validation set. */
function settings(data: string): string[] {
  const model = ['--model', 'mnist-tf', '--option', 'width=0.03', '--option', 'inputSize=12', '--option', 'init=he'];
  const batch = ['--batch', '8', '--epochs', '6', '--validation', '0.2', '--checkpoint-every', '2'];
  return [...model, '--data', data, ...batch, '--backend', 'wasm', '--threads', '1'];
}

/** Lines of a log without their throughput, which is the machine's. */
async function logOf(path: string): Promise<object[]> {
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  return lines.map((line) => ({ ...JSON.parse(line), imagesPerSecond: 0 }));
}

/** Sends a signal when the process has written so many checkpoints, or a moment later; its exit status. */
async function interrupted(
  args: readonly string[],
  checkpoint: string,
  signal: NodeJS.Signals,
  writes: number,
): Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }> {
  const written = () =>
    stat(checkpoint).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
  const child: ChildProcess = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.on('close', (code, by) => resolve([code, by]));
  });
  let running = true;
  void ended.then(() => {
    running = false;
  });
  for (let seen = await written(), left = writes; running && left > 0; ) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const now = await written();
    if (now !== seen) left--;
    seen = now;
  }
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
  child.kill(signal);
  const [code, by] = await ended;
  return { code, signal: by, stderr };
}

t.test('killed at random moments and resumed, it ends with the same bytes', async (t) => {
  const path = await emptyFolder(t);
  await writeDigits(path, 200, 30);
  const shared = settings(path(''));
  const whole = await tandem('train', ...shared, '--checkpoint', path('whole'), '--log', path('whole.jsonl'));
  t.equal(whole.code, 0, whole.stderr);

  const args = ['train', ...shared, '--checkpoint', path('parts'), '--log', path('parts.jsonl')];
  const last = path('parts/last.safetensors');
  const stops: number[] = [];
  let attempts = 0;
  // A kill may come when all is done; most come in the middle.
  while (stops.length < 3 && attempts < 6) {
    const resume = attempts++ > 0 ? ['--resume'] : [];
    const end = await interrupted([...args, ...resume], last, 'SIGKILL', 1 + Math.floor(12 * Math.random()));
    if (end.code === 0) break;
    t.equal(end.signal, 'SIGKILL', end.stderr);
    stops.push((await readCheckpoint(path('parts'))).state.progress.step);
  }
  t.comment(`killed when the last checkpoint was of step ${stops.join(', ')}`);
  t.ok(
    stops.some((step) => step < 120),
    'a kill came in the middle',
  );

  const { state } = await readCheckpoint(path('parts'));
  if (state.progress.step < 120) {
    const sigint = await interrupted([...args, '--resume'], last, 'SIGINT', 1);
    t.match(sigint, { code: 130, stderr: /ending after this step, then saving/ });
  }
  const end = await tandem(...args, '--resume');
  t.equal(end.code, 0, end.stderr);
  t.match(end.stdout, /going on after step \d+ of '.*last.safetensors'/);
  for (const name of ['last.safetensors', 'best.safetensors']) {
    t.same(await readFile(path(`parts/${name}`)), await readFile(path(`whole/${name}`)), name);
  }
  const steps = (lines: readonly object[]) => lines.filter((line) => 'lr' in line).at(-1);
  t.same(steps(await logOf(path('parts.jsonl'))), steps(await logOf(path('whole.jsonl'))), 'and the same last line');
});

t.test('from data to a network, evaluated, taught anew and shown', async (t) => {
  const path = await emptyFolder(t);
  await writeDigits(path, 200, 30);
  const files = ['--log', path('log.jsonl'), '--json', path('run.json'), '--report', path('run.html')];
  const run = await tandem('train', ...settings(path('')), '--checkpoint', path('run'), ...files, '--seed', '3');
  t.equal(run.code, 0, run.stderr);
  t.match(run.stdout, /^mnist-tf: [\d,]+ parameters, 10 classes, seed 3$/m);
  t.match(run.stdout, /^ +6 +120 +\d\.\d+ .*%/m, 'a line for each epoch');
  t.match(run.stdout, /top-1 [\d.]+ %, top-5 [\d.]+ %, loss/);
  t.match(await readFile(path('run.html'), 'utf8'), /<svg/);

  const lines = (await readFile(path('log.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const numbers = { epoch: Number, step: Number, loss: Number, top1: Number, top5: Number };
  t.match(lines[0], { kind: 'step', ...numbers, lr: 0.001, imagesPerSecond: Number });
  t.match(lines.at(-1), { kind: 'end', reason: 'done', step: 120 });
  const figures = JSON.parse(await readFile(path('run.json'), 'utf8'));
  t.match(figures, {
    model: 'mnist-tf',
    seed: 3,
    step: 120,
    recipe: { batch: 8, iterations: 120 },
    test: { images: 30 },
  });

  const weights = path('run/last.safetensors');
  const evaluated = await tandem('evaluate', '--weights', weights, '--data', path(''), '--json', path('e.json'));
  t.equal(evaluated.code, 0, evaluated.stderr);
  t.match(evaluated.stdout, /^9 9 .*%$/m, 'a row of the matrix');
  const { top1, confusion, images } = JSON.parse(await readFile(path('e.json'), 'utf8'));
  t.equal(top1, figures.test.top1, 'the network is the one that was trained');
  t.same([images, confusion.flat().reduce((a: number, b: number) => a + b, 0)], [30, 30]);

  const resumed = await tandem(
    'train',
    '--data',
    path(''),
    '--validation',
    '0.2',
    '--checkpoint',
    path('run'),
    '--resume',
  );
  t.match(
    resumed,
    { code: 0, stdout: /going on after step 120[\s\S]*done after 120 steps/ },
    'the rest is in the checkpoint',
  );

  const further = ['train', '--weights', weights, '--data', path(''), '--steps', '2', '--batch', '8', '--threads', '1'];
  const frozen = await tandem(
    ...further,
    '--head',
    '--freeze',
    'conv*,fc1',
    '--rate',
    'out=10',
    '--pretrain',
    '2',
    '--checkpoint',
    path('tuned'),
  );
  t.match(frozen, { code: 0, stdout: /8 tensors of them frozen[\s\S]*conv1: reconstruction error/ }, frozen.stderr);
  t.same((await readCheckpoint(path('tuned'))).model.classNames, [...'0123456789'], 'the new head knows its classes');
});

t.test("means and augmentation of the data at hand, instead of the preset's", async (t) => {
  const path = await emptyFolder(t);
  const small = ['--option', 'width=0.1', '--option', 'inputSize=12', '--data', 'synthetic', '--steps', '1'];
  const run = async (name: string, ...more: readonly string[]) => {
    const end = await tandem('train', '--model', 'cifar10-quick', ...small, ...more, '--checkpoint', path(name));
    t.equal(end.code, 0, end.stderr);
    const { model, input, file } = await openWeights(path(`${name}/last.safetensors`));
    await file.close();
    return { model, input: input as ImageInput };
  };
  const own = await run('own');
  t.ok(own.model.preprocessing.meanImage && !own.input.colourNoise);

  const { model, input } = await run('measured', '--mean', 'channels', '--augment', 'mirror,crop=16,noise=eigenvalue');
  t.same(input.shape, [3, 16, 16], 'crops are cut from larger images');
  t.match(input.training, { crop: 'random', flipHorizontal: 0.5 });
  t.equal(input.colourNoise?.divide, 1, 'the convention that was asked for');
  t.equal(model.preprocessing.meanImage, false);
  const { preprocessing } = model;
  const { train } = await openData('synthetic', { preprocessing, augmentation: { cropFrom: 16 }, seed: 1 });
  t.same(input.inference.mean, await channelMeans(train));
  t.same(input.colourNoise, await principalComponents(train, 'eigenvalue'));

  const plain = await run('plain', '--mean', 'image', '--augment', 'none');
  t.match(plain.input.training, { crop: 'centre', flipHorizontal: 0 });
  t.equal(plain.input.meanImage?.length, 3 * 12 * 12);
});

t.test('bad input is one line and exit status 2', async (t) => {
  const path = await emptyFolder(t);
  await writeDigits(path, 40, 10);
  const fails = async (args: readonly string[], message: RegExp, code = 2) => {
    const end = await tandem('train', ...settings(path('')), ...args);
    t.match(end, { code, stderr: message }, args.join(' '));
    t.equal(end.stderr.trim().split('\n').length, 1, 'one line');
  };
  await fails(['--freeze', 'conv9'], /^tandem: .*there is no parameter or layer 'conv9'/);
  await fails(['--augment', 'mirror,noise=loud'], /Expected none, or a list of mirror, crop=PIXELS, noise=/);
  await fails(['--mean', 'image', '--weights', path('none')], /--mean is for a new network/);
  await fails(['--schedule', 'step,size=3'], /Expected step,size=N,gamma=N\./);
  await fails(['--lr', '1e30'], /^tandem: training diverged in step \d+: the first value that is not finite is /, 1);
  t.match(await tandem('evaluate', '--weights', path('none')), { code: 2, stderr: /^tandem: cannot read '.*none'/ });
});
