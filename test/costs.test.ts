/** The cost model: by hand for a tiny network, by what must hold for every preset, and its memory against the plans that are run. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { planGraph } from '../src/backends/wasm/plan.js';
import { stepCosts, trainingGraph } from '../src/cli/lib/stepCosts.js';
import { layerCosts, type Phase, phases, rooflineTime } from '../src/graph/costs.js';
import { type Cost, type Model, openEngine, preset, presets, stepGraph } from '../src/index.js';
import { convolution, fullyConnected } from '../src/models/layers.js';
import { footprint } from '../src/plan/footprint.js';
import { emptyFolder, tandem } from './support/cli.js';

/** Images [2, 4, 4] → convolution of 3 kernels of 3×3, padded by 1 → ReLU → 4 classes. */
const tiny = {
  ...preset('cifar10-quick'),
  name: 'tiny',
  inputShape: [2, 4, 4],
  classes: 4,
  build(g, images) {
    const filled = { weight: { kind: 'he' }, bias: { kind: 'constant', value: 0 } } as const;
    const x = g.relu(convolution(g, 'conv1', images, { filters: 3, kernel: 3, padding: 1, ...filled }), {
      name: 'relu1',
    });
    return { logits: fullyConnected(g, 'fc2', x, { units: 4, ...filled }) };
  },
} satisfies Model;

const batch = 5;
const parameters = ['conv1.weight', 'conv1.bias', 'fc2.weight', 'fc2.bias'];
const tinyStep = stepGraph(tiny, batch, parameters, { kind: 'sgd', momentum: 0.9 });

// Bytes of each tensor.
const [images, maps, logits, labels] = [batch * 32 * 4, batch * 48 * 4, batch * 4 * 4, batch * 4];
const [kernels, kernelBias, matrix, matrixBias] = [54 * 4, 3 * 4, 192 * 4, 4 * 4];
const one = 4;

t.test('a tiny network, counted by hand', async (t) => {
  const [convolutionMacs, matrixMacs] = [batch * 48 * 2 * 9, batch * 48 * 4];
  const none = { macs: 0, flops: 0, bytes: 0 };
  // Weights, their gradients and velocities are read, weights and velocities written; six operations for each, and a learning rate.
  const update = (...sizes: readonly number[]) => ({
    macs: 0,
    flops: sizes.reduce((sum, bytes) => sum + (6 * bytes) / 4, 0),
    bytes: sizes.reduce((sum, bytes) => sum + 5 * bytes + one, 0),
  });
  t.same(layerCosts(tinyStep), [
    {
      name: 'conv1',
      // ReLU is fused into it.
      forward: { macs: convolutionMacs, flops: 2 * convolutionMacs, bytes: images + kernels + kernelBias + maps },
      // No gradient of the images; that of the bias is a sum over the maps.
      backward: {
        macs: convolutionMacs,
        flops: 2 * convolutionMacs + maps / 4,
        bytes: maps + images + kernels + (maps + kernelBias),
      },
      update: update(kernels, kernelBias),
    },
    {
      name: 'fc2',
      forward: { macs: matrixMacs, flops: 2 * matrixMacs, bytes: maps + matrix + matrixBias + logits },
      backward: {
        macs: 2 * matrixMacs,
        flops: 4 * matrixMacs + logits / 4,
        bytes: logits + matrix + maps + (logits + maps + matrix) + (logits + matrixBias),
      },
      update: update(matrix, matrixBias),
    },
    {
      name: 'loss',
      forward: { macs: 0, flops: 4 * 4 * batch + 4 * batch, bytes: logits + labels + one },
      backward: { macs: 0, flops: 6 * 4 * batch, bytes: one + logits + labels + logits },
      update: none,
    },
    { name: 'relu1', forward: none, backward: { macs: 0, flops: maps / 4, bytes: 3 * maps }, update: none },
  ]);
});

t.test('its time at given peaks', async (t) => {
  const memoryAlone = rooflineTime(tinyStep, phases, { flops: Number.POSITIVE_INFINITY, bytes: 1e9 });
  const costs = layerCosts(tinyStep).flatMap((layer) => phases.map((phase) => layer[phase]));
  const sum = (figure: 'flops' | 'bytes') => costs.reduce((total, cost) => total + cost[figure], 0);
  t.ok(Math.abs(memoryAlone - sum('bytes') / 1e9) < 1e-18);
  const arithmeticAlone = rooflineTime(tinyStep, phases, { flops: 1e9, bytes: Number.POSITIVE_INFINITY });
  t.ok(Math.abs(arithmeticAlone - sum('flops') / 1e9) < 1e-18);
  // At one operation a byte the convolution and the fully connected layer wait for arithmetic, the loss for memory.
  const forward = 2 * batch * 48 * 18 + 2 * batch * 48 * 4 + (logits + labels + one);
  t.ok(Math.abs(rooflineTime(tinyStep, ['forward'], { flops: 1, bytes: 1 }) - forward) < 1e-9);
});

t.test('its memory', async (t) => {
  const step = footprint(tinyStep, planGraph(tinyStep, { threads: 1 }));
  const variables = kernels + kernelBias + matrix + matrixBias;
  // Images, labels, learning rate and the gradient to start from; maps, logits and loss; each with the bytes a kernel may read past its end.
  const activations = images + labels + one + one + maps + logits + one + 7 * 64;
  t.match(step, { parameters: variables, state: variables, packed: 0, activations });
  // Of the fully connected weights none is stored; what is stored lives until the update that follows at once.
  t.equal(step.gradients, kernels + 64);
  t.ok(step.workspace >= step.gradients, `${step.workspace}`);
  t.equal(step.parameters + step.state + step.packed + step.activations + step.workspace, step.total);
  const adam = stepGraph(tiny, batch, parameters, { kind: 'adam' });
  t.equal(footprint(adam, planGraph(adam, { threads: 1 })).state, 2 * variables);
});

t.test('plans that nobody runs are those of the engine', async (t) => {
  const engine = await openEngine({ backend: 'wasm', threads: 2, simd: 'relaxed' });
  t.teardown(() => engine.close());
  const model = preset('caffe-alexnet', { width: 1 / 16, inputSize: 67, classes: 10 });
  const net = await engine.network(model);
  const run = await net.plan({ mode: 'training', batch: 4 });
  t.same(planGraph(trainingGraph(model, 4), { threads: 2 }), run);
});

t.test('every preset', async (t) => {
  for (const [name] of presets) {
    const model = preset(name);
    const layers = [1, 2, 3].map((batch) => layerCosts(trainingGraph(model, batch)));
    const total = (batch: number, phase: Phase, figure: keyof Cost) =>
      layers[batch - 1].reduce((sum, layer) => sum + layer[phase][figure], 0);
    for (const phase of phases) {
      for (const figure of ['macs', 'flops', 'bytes'] as const) {
        const [first, second, third] = [1, 2, 3].map((batch) => total(batch, phase, figure));
        t.equal(third - second, second - first, `${name}: ${phase} ${figure} grow with the batch by the same`);
        if (phase === 'update') t.equal(second, first, `${name}: an update is the same for any batch`);
      }
    }
    // A weight takes part in three products: forward, its own gradient, and that of what it was multiplied with, which images do not need.
    const spared = layers[0].filter(({ forward, backward }) => forward.macs > 0 && backward.macs === forward.macs);
    t.ok(spared.length > 0, `${name}: first layers ${spared.map((layer) => layer.name)}`);
    const sparedMacs = spared.reduce((macs, { forward }) => macs + forward.macs, 0);
    t.equal(total(1, 'backward', 'macs'), 2 * total(1, 'forward', 'macs') - sparedMacs, `${name}: backward`);
    const { training, inference } = stepCosts(model, 2, 1).memory;
    t.equal(training.parameters, inference.parameters, name);
    t.ok(training.total > inference.total && inference.activations === 0, name);
  }
});

t.test('caffe-alexnet', async (t) => {
  const { forward, step, update } = stepCosts(preset('caffe-alexnet'), 1, 1);
  t.equal(forward.macs, 724_406_816);
  t.equal(step.macs, 3 * 724_406_816 - 105_415_200, 'conv1 needs no gradient of the images');
  t.equal(update.bytes, 20 * 60_965_224 + 16 * 4, 'sixteen tensors, each with its learning rate');
});

t.test('tandem summary --cost', async (t) => {
  const path = await emptyFolder(t);
  const given = ['--batch', '16,2', '--threads', '1', '--gflops', '100', '--bandwidth', '20'];
  const [{ code, stdout, stderr }, ...refused] = await Promise.all([
    tandem('summary', 'cifar10-quick', '--cost', ...given, '--json', path('costs.json')),
    tandem('summary', 'cifar10-quick', '--cost', '--gflops', '100'),
    tandem('summary', 'cifar10-quick', '--cost', '--gflops', '0', '--bandwidth', '1'),
  ]);
  t.equal(code, 0, stderr);
  const { batch, flops, bytes, costs } = JSON.parse(await readFile(path('costs.json'), 'utf8'));
  t.ok(batch === 16 && flops > 0 && bytes > 0, 'forward at the first batch, as ever');
  t.same(
    costs,
    [16, 2].map((batch) => stepCosts(preset('cifar10-quick'), batch, 1, { flops: 100e9, bytes: 20e9 })),
  );
  t.match(stdout, /^A training step at batch 16: /m);
  t.match(stdout, /^ +2 +24\.\d M +[\d.]+ [KM]iB( +[\d.]+ ?\w*)+$/m);
  t.match(stdout, /^batch +parameters +optimizer +activations +workspace +of it gradients +training +inference$/m);
  t.match(refused[0], { code: 2, stderr: '--gflops and --bandwidth come together, and with --cost' });
  t.match(refused[1], { code: 2, stderr: 'Expected a number above 0.' });
});
