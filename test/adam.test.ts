/** Networks trained by Adam, next to the algorithm of the paper written out. */
import t from 'tap';
import { openEngine } from '../src/engine/engine.js';
import { stepGraph } from '../src/engine/graphs.js';
import { ArgumentError } from '../src/errors.js';
import { someImages, someLabels, tinyModel } from './support/tiny.js';

const images = someImages(3);
const labels = someLabels(3);
const adam = { kind: 'adam', beta1: 0.8, beta2: 0.9, epsilon: 1e-3, weightDecay: 0.1 } as const;

/** Algorithm 1 of the paper in float64, for one parameter. */
class Adam {
  private readonly m: Float64Array;
  private readonly v: Float64Array;
  private steps = 0;

  constructor(readonly weights: Float64Array) {
    this.m = new Float64Array(weights.length);
    this.v = new Float64Array(weights.length);
  }

  step(gradient: Float32Array, rate: number, decay: number): void {
    this.steps++;
    gradient.forEach((raw, i) => {
      const g = raw + decay * this.weights[i];
      this.m[i] = adam.beta1 * this.m[i] + (1 - adam.beta1) * g;
      this.v[i] = adam.beta2 * this.v[i] + (1 - adam.beta2) * g * g;
      const mean = this.m[i] / (1 - adam.beta1 ** this.steps);
      const variance = this.v[i] / (1 - adam.beta2 ** this.steps);
      this.weights[i] -= (rate * mean) / (Math.sqrt(variance) + adam.epsilon);
    });
  }
}

for (const backend of ['reference', 'wasm'] as const) {
  t.test(`four steps on ${backend}`, async (t) => {
    await using engine = await openEngine({ backend });
    const net = await engine.network(tinyModel(), { optimizer: adam, learningRate: 0.05 });
    const names = net.parameters.map(({ name }) => name);
    t.same(
      net.states.map(({ name, role }) => [name, role]),
      names.flatMap((name) => [
        [`${name}/adam.m`, 'state'],
        [`${name}/adam.v`, 'state'],
      ]),
    );
    const twins = new Map<string, Adam>();
    for (const name of names) twins.set(name, new Adam(Float64Array.from(await net.read(name))));
    for (let step = 1; step <= 4; step++) {
      const { gradients } = await net.gradients(images, labels);
      await net.step(images, labels);
      for (const [name, twin] of twins) {
        // Biases of the model learn twice as fast and do not decay.
        const isBias = name.endsWith('.bias');
        twin.step(gradients[name], isBias ? 0.1 : 0.05, isBias ? 0 : adam.weightDecay);
        const got = await net.read(name);
        const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - twin.weights[i])), 0);
        t.ok(worst <= 1e-5, `step ${step}, ${name} is off by ${worst}`);
      }
    }
  });
}

t.test('the number of the step counts, and goes into a resumed run', async (t) => {
  await using engine = await openEngine({ backend: 'wasm' });
  const options = { optimizer: { kind: 'adam' }, learningRate: 0.01 } as const;
  const [straight, early, resumed] = [
    await engine.network(tinyModel(), options),
    await engine.network(tinyModel(), options),
    await engine.network(tinyModel(), options),
  ];
  await straight.step(images, labels);
  for (const net of [early, resumed]) {
    for (const { name } of [...net.parameters, ...net.states]) await net.write(name, await straight.read(name));
  }
  resumed.stepCounter = straight.stepCounter;
  for (const net of [straight, early, resumed]) await net.step(images, labels);
  for (const { name } of [...straight.parameters, ...straight.states]) {
    t.same(await resumed.read(name), await straight.read(name), `${name} goes on bit for bit`);
  }
  t.notSame(await early.read('fc3.weight'), await straight.read('fc3.weight'), 'from step 1 again it goes elsewhere');
});

t.test('the step as a graph', async (t) => {
  const graph = stepGraph(tinyModel(), 2, ['fc3.weight'], adam);
  t.same(
    graph.nodes.filter(({ op }) => op.name === 'adam').map(({ name, layer, phase }) => [name, layer, phase]),
    [['fc3.weight/adam', 'fc3', 'update']],
    'frozen parameters have no update',
  );
  t.same([...graph.inputs.keys()].slice(-2), ['learningRate', 'step']);
  t.equal(graph.updates.size, 3, 'weight and both moments');
  t.notOk(stepGraph(tinyModel(), 2, ['fc3.weight'], {}).inputs.has('step'), 'descent does not count its steps');
});

t.test('attributes of the wrong optimizer', async (t) => {
  await using engine = await openEngine({ backend: 'reference' });
  const beta = { optimizer: JSON.parse('{"beta1":0.5}') };
  await t.rejects(engine.network(tinyModel(), beta), {
    constructor: ArgumentError,
    message: /sgd has no attribute 'beta1'/,
  });
});
