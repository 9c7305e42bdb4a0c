/** The accuracy that the WASM backend states for the functions of its own, on numbers of every magnitude that matters. */
import t from 'tap';
import type { Backend } from '../src/backends/backend.js';
import { openBackend } from '../src/backends/open.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { unitRoundoff } from '../src/ops/define.js';

const count = 2 ** 18;

/** Float32 numbers from `least` to `most`, equally spaced in their bits. */
function samples(least: number, most: number): Float32Array {
  const bits = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0];
  const [first, last] = [bits(least), bits(most)];
  const words = Uint32Array.from({ length: count }, (_, i) => first + Math.floor(((last - first) * i) / (count - 1)));
  return new Float32Array(words.buffer);
}

async function apply(backend: Backend, op: 'tanh' | 'sigmoid', x: Float32Array): Promise<Float32Array> {
  const g = new GraphBuilder(op);
  g.output('y', g[op](g.input('x', [x.length])));
  const executable = await backend.compile(g.build(), new Map());
  const { outputs } = await executable.run({ x });
  executable.free();
  return outputs.y;
}

/** Largest relative error in units of 2⁻²⁴. */
function error(x: Float32Array, y: Float32Array, exact: (x: number) => number): number {
  let worst = 0;
  x.forEach((value, i) => {
    const expected = exact(value);
    worst = Math.max(worst, Math.abs(y[i] - expected) / Math.abs(expected));
  });
  return worst / unitRoundoff;
}

t.test('tanh and the exponential of sigmoid', async (t) => {
  const backend = await openBackend({ backend: 'wasm', threads: 1 });
  t.teardown(() => backend.close());
  const { accuracy } = backend.info;
  for (const sign of [1, -1]) {
    const x = samples(1e-30, 30).map((value) => sign * value);
    const worst = error(x, await apply(backend, 'tanh', x), Math.tanh);
    t.ok(worst > 0.5 && worst <= accuracy.tanh, `tanh, sign ${sign}: ${worst.toFixed(2)} of ${accuracy.tanh}`);
    // Far out on the negative side 1/(1 + e^−x) shows the error of the exponential, a sum's and a division's.
    const z = samples(1e-10, 87).map((value) => sign * value);
    const logistic = error(z, await apply(backend, 'sigmoid', z), (value) => 1 / (1 + Math.exp(-value)));
    const allowed = accuracy.exp + 1 + accuracy.divide;
    t.ok(logistic > 0.5 && logistic <= allowed, `sigmoid, sign ${sign}: ${logistic.toFixed(2)} of ${allowed}`);
  }
});

t.test('the ends', async (t) => {
  const backend = await openBackend({ backend: 'wasm', threads: 1 });
  t.teardown(() => backend.close());
  const [inf, nan] = [Number.POSITIVE_INFINITY, Number.NaN];
  const x = Float32Array.of(0, -0, inf, -inf, nan, 1e38, -1e38, 88.5, 89, 104, -88, -89, -104, -200, 200);
  const logistic = await apply(backend, 'sigmoid', x);
  t.same([...(await apply(backend, 'tanh', x)).slice(0, 7)], [0, -0, 1, -1, nan, 1, -1]);
  t.same([...logistic.slice(0, 10)], [0.5, 0.5, 1, 0, nan, 1, 0, 1, 1, 1]);
  t.ok(
    [...logistic.slice(10, 14)].every((y) => y >= 0 && y < 2 ** -126),
    'nothing that should vanish is large',
  );
  t.equal(logistic[14], 1);
});
