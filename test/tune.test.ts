/** Autotuning: on a backend whose algorithms take scripted times, and the file that keeps what was measured. */
import { readFile, writeFile } from 'node:fs/promises';
import t from 'tap';
import type { Backend, Executable, Storage } from '../src/backends/backend.js';
import { openReferenceBackend } from '../src/backends/reference/index.js';
import { type TuneOptions, tuned } from '../src/backends/tune.js';
import { addTunings, readTunings } from '../src/backends/tuningFile.js';
import { inferenceGraph } from '../src/engine/graphs.js';
import type { Graph } from '../src/graph/graph.js';
import { preset } from '../src/models/presets.js';
import { emptyFolder, tandem } from './support/cli.js';

const adapter = {
  name: 'Scripted',
  software: false,
  features: ['timestamp-query'],
  used: [],
  kernels: 'a',
  limits: {},
};

/** What a backend of scripted times was asked for. */
interface Log {
  /** Forced algorithms of each program that was compiled. */
  readonly compiled: (Readonly<Record<string, string>> | undefined)[];
  runs: number;
}

/**
 * Computes as the reference does, and says that conv2d takes so many milliseconds by each algorithm; by one called 'wrong' its results are
 * off by a thousandth of the largest.
 */
function scripted(ms: Readonly<Record<string, number>>, log: Log): Backend {
  const inner = openReferenceBackend();
  return {
    info: { ...inner.info, adapter },
    allocate: (type, label) => inner.allocate(type, label),
    algorithms: (_, node) => (node.op.name === 'conv2d' ? Object.keys(ms) : ['only']),
    async compile(graph, variables, options): Promise<Executable> {
      log.compiled.push(options?.algorithms);
      const program = await inner.compile(graph, variables);
      const algorithm = options?.algorithms?.[graph.nodes[0].name] ?? '';
      return {
        graph,
        plan: program.plan,
        prepare: () => program.prepare(),
        free: () => program.free(),
        async run(inputs, given) {
          log.runs++;
          const { outputs } = await program.run(inputs, { ...given, timings: false });
          if (algorithm === 'wrong')
            for (const output of Object.values(outputs)) output[3] += 0.001 * Math.max(...output);
          return given?.timings ? { outputs, timings: Float64Array.of(ms[algorithm]) } : { outputs };
        },
      };
    },
    close: () => inner.close(),
  };
}

const graph = inferenceGraph(preset('mnist-tf', { width: 0.1 }), 1);
const convolutions = graph.nodes.filter(({ op }) => op.name === 'conv2d').map(({ name }) => name);

function variablesOf(backend: Backend, { values }: Graph): Map<number, Storage> {
  const variables = values.filter(({ kind }) => kind === 'variable');
  return new Map(variables.map((value) => [value.id, backend.allocate(value, value.name)]));
}

/** The plan of the graph, with all that was asked of the backend on the way. */
async function planned(ms: Readonly<Record<string, number>>, tune: boolean | TuneOptions | undefined) {
  const log: Log = { compiled: [], runs: 0 };
  const backend = await tuned(scripted(ms, log), tune);
  const { plan } = await backend.compile(graph, variablesOf(backend, graph), { algorithms: {} });
  await backend.close();
  return { tuning: plan.tuning, log };
}

t.test('the fastest is taken, kept and used again', async (t) => {
  const file = (await emptyFolder(t))('cache/tandem/tuning.json');
  t.ok(convolutions.length >= 2);
  const nodes: string[] = [];
  const first = await planned({ slow: 30, fast: 20 }, { file, onNode: (node) => nodes.push(node) });
  t.strictSame(nodes, convolutions);
  t.match(
    first.tuning,
    convolutions.map((node) => ({ node, algorithm: 'fast' })),
  );
  t.strictSame(first.tuning?.[0].ms, { slow: 30, fast: 20 });
  t.strictSame(first.log.compiled.at(-1), Object.fromEntries(convolutions.map((name) => [name, 'fast'])));

  const again = await planned({ slow: 30, fast: 20 }, { file, measure: false });
  t.strictSame(again.tuning, first.tuning, 'without being measured');
  t.equal(again.log.runs, 0);
  const known = await planned({ slow: 30, fast: 20 }, { file });
  t.equal(known.log.runs, 0, 'nothing is left to be measured');

  const more = await planned({ slow: 30, fast: 20, newer: 10 }, { file });
  t.ok(more.log.runs > 0, 'an algorithm that was not there then');
  t.equal(more.tuning?.[0].algorithm, 'newer');
  const fewer = await planned({ slow: 30, fast: 20 }, { file, measure: false });
  t.equal(fewer.tuning, undefined, 'an algorithm that is no longer legal is not taken');
});

t.test('short times are measured until a coarse clock shows them', async (t) => {
  const file = (await emptyFolder(t))('tuning.json');
  const { log } = await planned({ a: 5, b: 2.5 }, { file });
  // One run to compare results, and then 20 ms of each.
  t.equal(log.runs, convolutions.length * 2 * (1 + 20 / 2.5));
});

t.test('a fast algorithm that is wrong is left out', async (t) => {
  const file = (await emptyFolder(t))('tuning.json');
  const warnings: string[] = [];
  const { tuning } = await planned({ right: 30, wrong: 1 }, { file, warn: (text) => warnings.push(text) });
  t.match(
    tuning,
    convolutions.map((node) => ({ node, algorithm: 'right', ms: { right: 30 } })),
  );
  t.match(
    warnings,
    convolutions.map((node) => new RegExp(`'wrong' of node '${node}' is left out: its results differ`)),
  );
});

t.test('what the caller forces stands, by node and by op', async (t) => {
  const file = (await emptyFolder(t))('tuning.json');
  const log: Log = { compiled: [], runs: 0 };
  const backend = await tuned(scripted({ slow: 30, fast: 20 }, log), { file });
  const variables = variablesOf(backend, graph);
  await backend.compile(graph, variables, { algorithms: { conv2d: 'slow' } });
  t.equal(log.runs, 0);
  t.strictSame(log.compiled, [{ conv2d: 'slow' }]);
  const [first, second] = convolutions;
  await backend.compile(graph, variables, { algorithms: { [first]: 'slow' } });
  t.match(log.compiled.at(-1), { [first]: 'slow', [second]: 'fast' });
  await backend.close();
});

t.test('off, or without an adapter, nothing is wrapped', async (t) => {
  const plain = scripted({ a: 1, b: 2 }, { compiled: [], runs: 0 });
  t.equal(await tuned(plain, false), plain);
  t.equal(await tuned(plain, { measure: false, file: (await emptyFolder(t))('none.json') }), plain);
  const reference = openReferenceBackend();
  t.equal(await tuned(reference, true), reference);
  const blind: Backend = { ...plain, info: { ...plain.info, adapter: { ...adapter, features: [] } } };
  await t.rejects(tuned(blind, true), { name: 'BackendError', message: /Scripted cannot be tuned.*timestamp-query/ });
});

t.test('the file', async (t) => {
  const file = (await emptyFolder(t))('deep/er/tuning.json');
  const tuning = { algorithm: 'x', ms: { x: 1, y: 2 } };
  const [a, b, later] = [
    { name: 'A', kernels: 'first' },
    { name: 'B', kernels: 'first' },
    { name: 'A', kernels: 'second' },
  ];
  t.strictSame(await readTunings(file, a), {}, 'none there');
  await addTunings(file, a, { one: tuning });
  await addTunings(file, b, { one: { ...tuning, algorithm: 'y' } });
  await addTunings(file, a, { two: tuning });
  t.strictSame(await readTunings(file, a), { one: tuning, two: tuning });
  t.strictSame(await readTunings(file, b), { one: { ...tuning, algorithm: 'y' } });

  t.strictSame(await readTunings(file, later), {}, 'what was measured of other kernels is not taken');
  await addTunings(file, later, { three: tuning });
  t.strictSame(await readTunings(file, later), { three: tuning });
  t.strictSame(await readTunings(file, a), {}, 'nor kept');
  t.strictSame(Object.keys(await readTunings(file, b)), ['one'], 'other adapters keep theirs');

  const whole = JSON.parse(await readFile(file, 'utf8'));
  const withTuning = (k: object): string =>
    JSON.stringify({ ...whole, adapters: { A: { kernels: 'x', tunings: { k } } } });
  const bad: readonly (readonly [string, RegExp])[] = [
    ['{"format":', /no JSON/],
    ['null', /'format' is not/],
    [JSON.stringify({ ...whole, version: 7 }), /'version' is 7, expected 2/],
    [JSON.stringify({ ...whole, adapters: [] }), /'adapters' is no object/],
    [JSON.stringify({ ...whole, adapters: { A: { kernels: 'x' } } }), /'A' is no object with 'kernels' and 'tunings'/],
    [withTuning({ algorithm: 'z', ms: { x: 1 } }), /'k' of 'A'/],
    [withTuning({ algorithm: 'x', ms: { x: 'soon' } }), /'k' of 'A'/],
  ];
  for (const [text, message] of bad) {
    await writeFile(file, text);
    await t.rejects(readTunings(file, a), { name: 'BackendError', message }, text.slice(0, 40));
    const warnings: string[] = [];
    const warn = (line: string) => warnings.push(line);
    t.equal((await planned({ a: 1, b: 2 }, { file, measure: false, warn })).tuning, undefined);
    t.match(warnings, [message]);
    t.ok(warnings[0].includes(file), 'names the file');
  }
  await planned({ a: 40, b: 30 }, { file, warn: () => {} });
  t.equal(Object.keys(await readTunings(file, adapter)).length, convolutions.length, 'tuning again replaces it');
});

t.test('tandem plan tells what was measured', async (t) => {
  const folder = await emptyFolder(t);
  const before = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = folder('cache');
  t.teardown(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
  });
  const args = ['plan', 'mnist-tf', '--backend', 'webgpu', '--adapter', 'software', '--json', folder('plan.json')];
  const tuning = await tandem(...args, '--tune');
  t.equal(tuning.code, 0, tuning.stderr);
  t.match(tuning.stdout, /tuned by measurement/);
  const measured = JSON.parse(await readFile(folder('plan.json'), 'utf8'));
  t.ok(measured.tuning.length > 0);
  for (const { node, algorithm, ms } of measured.tuning) {
    t.equal(ms[algorithm], Math.min(...(Object.values(ms) as number[])), node);
    t.ok(measured.steps.some((step: { node: string }) => step.node === node));
    for (const step of measured.steps.filter((each: { node: string }) => each.node === node)) {
      t.equal(step.algorithm, algorithm, `${node} runs what was fastest`);
    }
  }
  const kept = await tandem(...args);
  t.match(kept.stdout, /tuned by measurement/);
  t.strictSame(JSON.parse(await readFile(folder('plan.json'), 'utf8')).tuning, measured.tuning);
  t.notMatch((await tandem(...args, '--no-tune')).stdout, /tuned by measurement/);

  await writeFile(folder('cache/tandem/tuning.json'), 'spoiled');
  const bad = await tandem(...args);
  t.equal(bad.code, 0);
  t.match(bad.stderr, /tuning\.json: no JSON/);
  t.notMatch(bad.stdout, /tuned by measurement/);
});
