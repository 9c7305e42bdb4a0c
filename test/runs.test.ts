/** The scripts of bench/runs: what they leave behind, and what becomes of it. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { plot } from '../bench/runs/plot.js';
import { Means, mostPoints, type RunRecord } from '../bench/runs/record.js';
import { pageOf, withPage } from '../bench/runs/tables.js';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of the scripts. */
function run(script: string, ...args: string[]): Promise<Ended> {
  const path = fileURLToPath(new URL(`../bench/runs/${script}.js`, import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [path, ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

const record = (changes: Partial<RunRecord>): RunRecord => ({
  name: 'cifar10-quick',
  goal: '73.5 %',
  figures: [{ name: 'accuracy', value: 74.125, unit: '%' }],
  curves: [{ name: 'seed 1', x: 'epochs', y: 'test error, %', points: [[1, 45], [2, 38.5]] }], // biome-ignore format: one line
  command: 'node dist/bench/runs/cifar10.js --data cifar10',
  seed: 1,
  quick: false,
  seconds: 754,
  machine: { cpu: 'a processor', cores: 2, node: 'v20.0.0', backend: 'wasm, 2 threads' },
  ...changes,
});

t.test('a curve of any length is kept in at most 200 points', async (t) => {
  for (const count of [1, 7, mostPoints, mostPoints + 1, 15_640]) {
    const means = new Means(count);
    for (let i = 1; i <= count; i++) means.add(i, i);
    t.ok(means.points.length <= mostPoints && means.points.length >= Math.min(count, mostPoints / 2), `${count}`);
    const [[x, y]] = means.points;
    t.equal(y, (x + 1) / 2, 'the mean of what the first point stands for');
  }
});

t.test('records become tables and plots', async (t) => {
  const accuracy = (value: number | null) => [{ name: 'accuracy', value, unit: '%' }];
  const records = [
    record({ seed: 3, figures: accuracy(76) }),
    record({ seed: 1 }),
    record({ seed: 2, figures: accuracy(null) }),
    record({ name: 'mnist-tf', note: 'as the document has it', curves: [] }),
    record({ name: 'figure1', figures: [{ name: 'epochs', value: null, above: 40, unit: '' }], curves: [] }),
  ];
  const { markdown, plots } = pageOf(records, 'measured');
  const headings = markdown.split('\n').filter((line) => line.startsWith('## '));
  t.same(headings, ['## mnist-tf', '## cifar10-quick', '## figure1'], 'in the order of the page');
  t.match(markdown, 'As the document has it.');
  t.match(markdown, '| `node dist/bench/runs/cifar10.js --data cifar10` | 1 | 12 min 34 s | 74.13 |');
  t.match(markdown, '| 12 min 34 s | > 40 |');
  t.match(markdown, '| median (least to most) |  |  | 76.00 (74.13 to not reached) |');
  t.same([...plots.keys()], ['cifar10-quick-test-error-by-epochs.svg']);
  t.match(markdown, '![cifar10-quick-test-error-by-epochs](measured/cifar10-quick-test-error-by-epochs.svg)');

  const page = withPage(undefined, 'one');
  t.match(page, '# Results');
  t.equal(withPage(page, 'two'), page.replace('one', 'two'));
  const own = `# Mine\n\nbefore\n\n${page.slice(page.indexOf('<!--'))}after\n`;
  t.equal(
    withPage(own, '$& two'),
    own.replace('one', () => '$& two'),
    'what is written by hand stays',
  );
  t.match(withPage('# Mine\n', 'one'), /^# Mine\n\n<!-- runs: begin -->\n\none\n\n<!-- runs: end -->\n$/);
});

t.test('plots', async (t) => {
  const curve = { x: 'steps', y: 'loss', name: 'a < b' };
  const small = plot('title', [{ ...curve, points: [[1, 0.5], [2, 0.25]] }]); // biome-ignore format: one line
  t.match(small, 'a &lt; b');
  t.equal(small.match(/<circle/g)?.length, 2, 'few points are dots');
  const large = plot('title', [{ ...curve, points: [[0, 4e5], [10, 2]] }]); // biome-ignore format: one line
  t.match(large, '>1e+5<', 'values of very different size have a logarithmic axis');
  const heights = [...large.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)"/g)].map((match) => Number(match[1]));
  t.ok(heights[0] < heights[1], 'more is higher', { heights });
  t.notMatch(plot('title', [{ ...curve, points: [[0, 1], [1, Number.NaN]] }]), 'NaN', 'what is no number is not drawn'); // biome-ignore format: one line
});

t.test('a script trains, and its record becomes a page', async (t) => {
  const folder = t.testdir();
  const file = join(folder, 'quick.json');
  const { code, stderr } = await run('cifar10', '--data=synthetic', '--steps', '2', '--seed', '5', '--json', file);
  t.equal(code, 0, stderr);
  const written = JSON.parse(await readFile(file, 'utf8')) as RunRecord;
  t.match(written, {
    name: 'cifar10-quick',
    command: 'node dist/bench/runs/cifar10.js --data synthetic --steps 2 --seed 5',
    seed: 5,
    quick: true,
    machine: { backend: /./ },
  });
  t.ok(written.seconds > 0);
  t.same(
    written.curves.map(({ y, points }) => [y, points.length]),
    [
      ['training error, %', 2],
      ['test error, %', 1],
    ],
  );
  const [{ value }] = written.figures;
  t.ok(value !== null && Math.abs(value + written.curves[1].points[0][1] - 100) < 1e-3, 'accuracy and error agree');

  const page = join(folder, 'results.md');
  t.match(await run('results', '--records', folder, '--page', page), {
    code: 2,
    stderr: /no records of training runs/,
  });
  t.match(await run('results', '--records', folder, '--page', page, '--quick'), { code: 0 });
  t.match(await readFile(page, 'utf8'), written.command);
  t.same((await readdir(folder)).filter((name) => name.endsWith('.svg')).length, 2);
  await writeFile(join(folder, 'broken.json'), '{');
  t.match(await run('results', '--records', folder, '--page', page), { code: 2, stderr: /cannot read .*broken.json/ });
});

t.test('bad input is one line', async (t) => {
  const folder = t.testdir();
  await mkdir(join(folder, 'empty'));
  for (const [script, args, message] of [
    ['mnist', [], /--data <source>/],
    ['photographs', ['--data', join(folder, 'empty')], /there are no photographs in '.*empty'/],
    ['photographs', ['--data', join(folder, 'none')], /cannot read '.*none'/],
    ['cifar10', ['--data', 'synthetic', '--model', 'lenet'], /there is no preset 'lenet'/],
    ['cifar10', ['--data', 'synthetic', '--json', join(folder, 'none', 'record.json')], /cannot write/],
  ] as const) {
    const { code, stderr } = await run(script, ...args);
    t.equal(code, 2, script);
    t.match(stderr, message);
    t.equal(stderr.trim().split('\n').length, 1, stderr);
  }
});
