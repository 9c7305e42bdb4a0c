import t from 'tap';
import { openReferenceBackend } from '../src/backends/reference/index.js';
import { ArgumentError } from '../src/errors.js';
import { exactAccuracy } from '../src/ops/define.js';
import { winograds } from '../src/ops/lib/winograd.js';
import { ops } from '../src/ops/registry.js';
import { caseKey } from '../src/verify/case.js';
import { bluntness, deviation, disagreement, identical } from '../src/verify/compare.js';
import { content } from '../src/verify/data.js';
import { formatReport } from '../src/verify/report.js';
import { allCases, selectCases } from '../src/verify/tables.js';
import { trace } from '../src/verify/trace.js';
import { verify } from '../src/verify/verify.js';
import { FaultyBackend } from './support/faultyBackend.js';

t.setTimeout(300_000);

t.test('there are enough cases, and each says what it is', async (t) => {
  const distinct = new Set(allCases.map(caseKey)).size;
  const quick = new Set(selectCases({ quick: true }).map(caseKey)).size;
  t.ok(distinct >= 300, `${distinct} distinct cases by op, shapes and attributes`);
  t.ok(quick >= 100, `${quick} of them quick`);
  t.equal(new Set(allCases.map((one) => `${one.op.name} ${one.name}`)).size, allCases.length, 'names are unique');
  const families = [...new Set([...ops.values()].map(({ family }) => family))];
  t.same(
    families.filter((family) => selectCases({ op: family }).length === 0),
    [],
    'every op has cases',
  );
  t.throws(() => selectCases({ op: 'lrm' }), {
    name: 'ArgumentError',
    message: /op must be one of conv2d, .*, got 'lrm'/,
  });
});

t.test('every op and every gradient op is a node of some quick case', async (t) => {
  const reached = new Set(selectCases({ quick: true }).flatMap((one) => trace(one).map((check) => check.node.op.name)));
  for (const name of ops.keys()) t.ok(reached.has(name), name);
});

t.test('sums of integers stay below 2²⁴ in every order of summation', async (t) => {
  let largest = 0;
  for (const one of selectCases({ quick: true }).filter(({ data }) => data === 'integers')) {
    for (const { node, inputs, arrays } of trace(one)) {
      // Of magnitudes no order can make a larger partial sum than the whole. No slow case has a longer sum than the quick ones.
      const magnitudes = inputs.map(({ dtype, shape }, i) => ({
        dtype,
        shape,
        data: Float64Array.from(arrays[i], Math.abs),
      }));
      for (const { data } of node.op.reference(node.attributes, magnitudes, exactAccuracy)) {
        for (const sum of data) largest = Math.max(largest, sum);
      }
    }
  }
  t.ok(largest > 387_200 && largest < 2 ** 24, `the largest is ${largest}`);
});

t.test('content is drawn from the name of the case', async (t) => {
  const [first, second] = selectCases({ op: 'linear', quick: true });
  const draw = (one: typeof first) => content(one, one.inputs[1], 1);
  t.same(draw(first), draw(first), 'the same each time');
  t.notSame(draw(first), draw(second), 'another case has other numbers');
  const [large] = allCases.filter((one) => one.op.name === 'conv2d' && one.data === 'normal');
  const sample = Array.from(content(large, large.inputs[0], 0));
  const mean = sample.reduce((sum, value) => sum + value, 0) / sample.length;
  const variance = sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sample.length;
  t.ok(Math.abs(mean) < 0.02 && Math.abs(variance - 1) < 0.02, `normal: mean ${mean}, variance ${variance}`);
  const integers = allCases.filter((one) => one.data === 'integers')[3];
  t.ok(
    Array.from(content(integers, integers.inputs[1], 1)).every((value) => [1, 2, 3, 4].includes(Math.abs(value))),
    'integers, never 0',
  );
  const [planted] = selectCases({ op: 'relu' }).filter((one) => one.data === 'nonFinite');
  t.ok(Array.from(content(planted, planted.inputs[0], 0)).some(Number.isNaN), 'non-finite numbers are planted');
});

t.test('a bound has teeth: never above 1e-3 of the largest result', async (t) => {
  for (const one of selectCases({ quick: true })) {
    for (const check of trace(one)) {
      for (const algorithm of ['default', ...(check.node.op.bounds ? Object.keys(winograds) : [])]) {
        for (const judged of check.judge(exactAccuracy, algorithm)) {
          const blunt = bluntness(judged);
          if (blunt) t.fail(`${one.op.name} ${one.name} ${check.quantity} ${algorithm}: ${blunt}`);
        }
      }
    }
  }
  t.match(bluntness({ data: Float64Array.of(1, 2), bound: Float64Array.of(0, 0.01) }), /0\.01 is wider than 0\.001/);
});

t.test('comparing', async (t) => {
  const judged = (data: number[], bound: number[]) => ({
    data: Float64Array.from(data),
    bound: Float64Array.from(bound),
  });
  const f32 = (...data: number[]) => Float32Array.from(data);
  const worst = Number.MAX_VALUE;
  t.same(deviation(f32(1, 2.5), judged([1, 2], [0.5, 1])), { maxAbsError: 0.5, bound: 1, ratio: 0.5, index: 1 });
  t.equal(deviation(f32(0), judged([-0], [0])).ratio, 0, '−0 equals +0');
  t.equal(deviation(f32(1.5), judged([1], [0])).ratio, worst, 'what must be exact must be exact');
  for (const [result, expected] of [
    [Number.NaN, 1],
    [1, Number.NaN],
    [Infinity, 1],
    [1, Infinity],
    [Infinity, -Infinity],
    [Number.NaN, Infinity],
  ]) {
    t.equal(deviation(f32(result), judged([expected], [10])).ratio, worst, `${result} instead of ${expected}`);
  }
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    t.equal(deviation(f32(value), judged([value], [Number.NaN])).ratio, 0, `${value} matches`);
  }
  t.equal(deviation(f32(1), judged([0], [Infinity])).ratio, worst, 'beyond an infinity a result is exact');
  t.equal(disagreement(f32(1), f32(2), [judged([1], [1]), judged([1], [3])]).ratio, 0.25, 'two bounds add up');
  t.equal(disagreement(f32(1), f32(1.25), undefined).ratio, worst);
  const spread = (expected: number, bound: number) => ({ ...judged([expected], [bound]), spreads: true });
  for (const result of [1, Infinity, Number.NaN]) {
    t.equal(deviation(f32(result), spread(0, Number.NaN)).ratio, 0, `${result} beside a NaN`);
    t.equal(deviation(f32(result), spread(0, 1e-3)).ratio > 1, true, `${result} elsewhere`);
  }
  t.equal(deviation(f32(-Infinity), spread(Number.NaN, Number.NaN)).ratio, 0, 'what is not finite may change its kind');
  t.equal(deviation(f32(1), spread(Infinity, Infinity)).ratio, worst, 'but not vanish');
  t.equal(disagreement(f32(1), f32(Number.NaN), [judged([1], [1]), spread(1, Number.NaN)]).ratio, 0);
  t.ok(identical(f32(Number.NaN, 1), f32(Number.NaN, 1)));
  t.notOk(identical(f32(0), f32(-0)));
});

t.test('the reference, rounded to float32, passes every quick case', async (t) => {
  const backend = openReferenceBackend();
  t.teardown(() => backend.close());
  const seen: string[] = [];
  const report = await verify({
    backends: [{ label: 'reference', backend }],
    quick: true,
    onResult: (result) => seen.push(result.quantity),
  });
  for (const result of report.results.filter(({ status }) => status === 'failed')) t.fail(JSON.stringify(result));
  const { cases, passed, failed, skipped, checks } = report.summary;
  t.same({ passed, failed, skipped }, { passed: cases, failed: 0, skipped: 0 });
  t.equal(checks, report.results.length);
  t.equal(seen.length, checks, 'each result is announced');
  const gradients = [...new Set(seen)].filter((quantity) => !quantity.startsWith('forward'));
  t.ok(seen.includes('forward') && seen.includes('forward:1'), 'every output of a node is checked');
  for (const quantity of [
    'dataGradient',
    'weightGradient',
    'biasGradient',
    'reluGradient',
    'scaleGradient',
    'targetGradient',
  ]) {
    t.ok(gradients.includes(quantity), quantity);
  }
  t.same(JSON.parse(JSON.stringify(report)), report, 'all figures survive JSON');
  t.match(formatReport(report), new RegExp(`${cases} cases, ${checks} checks: ${cases} cases passed, 0 failed`));
  t.equal(formatReport(report, { verbose: true }).match(/^ok /gm)?.length, checks);
});

t.test('two backends are held against each other, and the one further off is named', async (t) => {
  const backend = openReferenceBackend();
  t.teardown(() => backend.close());
  const crooked = new FaultyBackend(backend, {
    name: 'a wrong first element',
    op: 'softmax',
    spoil: ({ output }) => {
      output[0] += 1;
    },
  });
  const report = await verify({
    backends: [
      { label: 'straight', backend },
      { label: 'crooked', backend: crooked },
      { label: 'twin', backend },
    ],
    op: 'softmax',
    quick: true,
  });
  const rows = (label: string, against: string) =>
    report.results.filter((result) => result.backend === label && result.against === against);
  t.ok(rows('straight', 'reference').every(({ status }) => status === 'passed'));
  t.ok(rows('crooked', 'reference').some(({ status }) => status === 'failed'));
  t.ok(rows('crooked', 'straight').some(({ status, furtherOff }) => status === 'failed' && furtherOff === 'crooked'));
  t.ok(rows('twin', 'crooked').some(({ status, furtherOff }) => status === 'failed' && furtherOff === 'crooked'));
  t.ok(report.summary.failed > 0 && report.summary.failed <= report.summary.cases);
  t.match(formatReport(report), /FAILED .* crooked against reference/);
});

t.test('a backend that throws fails the check and not the run', async (t) => {
  const backend = openReferenceBackend();
  t.teardown(() => backend.close());
  const broken = new FaultyBackend(backend, {
    name: 'throws',
    op: 'add',
    spoil: () => {
      throw new Error('out of order');
    },
  });
  const { summary, results } = await verify({ backends: [{ label: 'broken', backend: broken }], op: 'add' });
  t.equal(summary.failed, summary.cases);
  t.match(results[0], { status: 'failed', reason: 'Error: out of order', maxAbsError: Number.MAX_VALUE });
});

t.test('bad arguments and cancelling', async (t) => {
  const backend = openReferenceBackend();
  t.teardown(() => backend.close());
  const backends = [{ label: 'reference', backend }];
  await t.rejects(verify({ backends: [] }), new ArgumentError('verify needs at least one backend'));
  await t.rejects(verify({ backends, op: 'conv' }), ArgumentError);
  await t.rejects(
    verify({ backends, op: 'add', algorithm: 'winograd' }),
    new ArgumentError("no node of the cases chosen has an algorithm 'winograd'"),
  );
  await t.rejects(verify({ backends, signal: AbortSignal.abort() }), { name: 'AbortError' });
});
