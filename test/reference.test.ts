/** The float64 backend through the interface that all backends have. */
import t from 'tap';
import type { Backend, Executable, Storage } from '../src/backends/backend.js';
import { openReferenceBackend } from '../src/backends/reference/index.js';
import { ArgumentError, BackendError, InputError } from '../src/errors.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { sgd } from '../src/ops/sgd.js';

/** y = w·x for x [1, 2], w [1, 2], and a step of descent along g = x. */
async function tinyProgram(backend: Backend): Promise<{ program: Executable; weight: Storage }> {
  const g = new GraphBuilder('tiny');
  const x = g.input('x', [1, 2]);
  const rate = g.input('rate', [1]);
  const w = g.variable('w', [1, 2], { kind: 'constant', value: 0 });
  const v = g.variable('v', [1, 2], { kind: 'constant', value: 0 }, { role: 'state' });
  g.output('y', g.linear(x, w));
  const [nextWeight, nextVelocity] = g.apply(sgd, [w, x, v, rate], { momentum: 0.5 });
  g.update(w, nextWeight);
  g.update(v, nextVelocity);
  g.output('before', w);
  const graph = g.build();
  const weight = backend.allocate(w, 'w');
  const velocity = backend.allocate(v, 'v');
  const program = await backend.compile(
    graph,
    new Map([
      [w.id, weight],
      [v.id, velocity],
    ]),
  );
  return { program, weight };
}

const inputs = { x: Float32Array.of(1, 2), rate: Float32Array.of(0.5) };

t.test('runs, updates variables, and copies out what is asked for', async (t) => {
  const backend = openReferenceBackend();
  const { program, weight } = await tinyProgram(backend);
  await weight.write(Float32Array.of(10, 100));
  const into = { y: new Float32Array(1) };
  const first = await program.run(inputs, { into, timings: true });
  t.equal(first.outputs.y, into.y);
  t.same([...into.y], [210]);
  t.same([...first.outputs.before], [10, 100], 'an output shows a variable as it was in the run');
  t.equal(first.timings?.length, program.plan.steps.length);
  t.same([...(await weight.read())], [9.5, 99]);

  const second = await program.run(inputs, { fetch: ['y'] });
  t.same(Object.keys(second.outputs), ['y']);
  t.same([...second.outputs.y], [207.5]);
  t.same([...(await weight.read(new Float32Array(2)))], [8.75, 97.5], 'the velocity is kept');
  await backend.close();
});

t.test('runs follow one another, and an aborted one changes nothing', async (t) => {
  const backend = openReferenceBackend();
  const { program, weight } = await tinyProgram(backend);
  const results = await Promise.all([1, 2, 3].map(() => program.run(inputs)));
  t.same(
    results.map(({ outputs }) => outputs.y[0]),
    [0, -2.5, -6.25],
  );
  const kept = [...(await weight.read())];
  const controller = new AbortController();
  const run = program.run(inputs, { signal: controller.signal });
  controller.abort();
  await t.rejects(run, { name: 'AbortError' });
  await t.rejects(program.run(inputs, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  t.same([...(await weight.read())], kept);
  t.equal((await program.run(inputs)).outputs.y.length, 1, 'and the next run works');
  await backend.close();
});

t.test('plan', async (t) => {
  const backend = openReferenceBackend();
  const { plan, graph } = (await tinyProgram(backend)).program;
  t.same(
    plan.steps.map(({ node, op, algorithm }) => [node, op, algorithm]),
    [
      ['linear', 'linear', 'reference'],
      ['sgd', 'sgd', 'reference'],
    ],
  );
  t.equal(plan.steps[0].macs, 2);
  t.same(plan.bytes, { variables: 32, packed: 0, arena: plan.bytes.arena, total: 32 + plan.bytes.arena });
  t.same(
    plan.buffers.map(({ bytes }) => bytes),
    [8, 16, 16],
  );
  t.same(backend.algorithms(graph, graph.nodes[0]), ['reference']);
  await backend.close();
});

t.test('what cannot be is refused', async (t) => {
  const backend = openReferenceBackend();
  const { program, weight } = await tinyProgram(backend);
  const refuses = async (
    run: Promise<unknown>,
    kind: new (message: string) => Error,
    message: RegExp,
  ): Promise<void> => {
    await t.rejects(run, kind);
    await t.rejects(run, { message });
  };
  await refuses(program.run({ x: inputs.x }), InputError, /input 'rate' is missing; expected f32 \[1\]/);
  await refuses(
    program.run({ ...inputs, x: new Float32Array(3) }),
    InputError,
    /'x': expected f32 \[1, 2\].*Float32Array of 3/,
  );
  await refuses(program.run({ ...inputs, x: new Int32Array(2) }), InputError, /got a Int32Array of 2/);
  await refuses(program.run(inputs, { fetch: ['z'] }), ArgumentError, /no output 'z'; the outputs are y, before/);
  await refuses(
    program.run(inputs, { into: { y: new Float32Array(2) } }),
    ArgumentError,
    /output 'y' must be a Float32Array of 1/,
  );
  await refuses(weight.write(new Float32Array(3)), InputError, /'w' \[1, 2\] has 2 elements, got an array of 3/);
  await refuses(backend.compile(program.graph, new Map()), BackendError, /variable 'w' needs a storage.*got none/);
  const forced = backend.compile(program.graph, new Map(), { algorithms: { linear: 'winograd' } });
  await refuses(forced, ArgumentError, /algorithm 'winograd' for 'linear'/);
  program.free();
  await refuses(program.run(inputs), BackendError, /graph 'tiny' has been freed/);
  weight.free();
  await refuses(weight.read(), BackendError, /variable 'w' has been freed/);
  await backend.close();
  t.throws(() => backend.allocate(weight.type, 'w'), BackendError);
});
