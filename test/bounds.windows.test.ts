/** The error bounds of average pooling and of normalisation within a map hold for float32, and are narrow enough for faults to show. */
import t from 'tap';
import { adaptiveAvgPool } from '../src/ops/adaptiveAvgPool.js';
import { avgPool, avgPoolGradient } from '../src/ops/avgPool.js';
import { type LrnWithinAttributes, lrnWithin, lrnWithinGradient } from '../src/ops/lrnWithin.js';
import { caught, within } from './support/bounds.js';
import { evaluate, random } from './support/tensors.js';

const f = Math.fround;
const side = 20;

/** For every cell of a map the float32 sum over rows and columns −before … +after. */
function sums32(values: ArrayLike<number>, before: number, after: number): number[] {
  return Array.from({ length: side * side }, (_, i) => {
    const [row, column] = [Math.floor(i / side), i % side];
    let sum = 0;
    for (let r = Math.max(0, row - before); r <= Math.min(side - 1, row + after); r++) {
      for (let c = Math.max(0, column - before); c <= Math.min(side - 1, column + after); c++) {
        sum = f(sum + values[r * side + c]);
      }
    }
    return sum;
  });
}

/** A float32 lrnWithin of one map: y, and dx with the second term multiplied by `sign`. */
function norm32(given: LrnWithinAttributes, x: Float64Array, g: Float64Array, sign = 1): { y: number[]; dx: number[] } {
  const a = f(given.alphaPer === 'window' ? given.alpha / given.size ** 2 : given.alpha);
  const [before, after] = [Math.floor(given.size / 2), Math.floor((given.size - 1) / 2)];
  const squares = [...x].map((value) => f(value * value));
  const s = sums32(squares, before, after).map((sum) => f(f(given.k) + f(a * sum)));
  const power = s.map((value) => f(1 / f(f(Math.sqrt(value)) * f(Math.sqrt(f(Math.sqrt(value)))))));
  const y = power.map((value, i) => f(x[i] * value));
  const q = sums32(
    y.map((value, i) => f(f(g[i] * value) / s[i])),
    after,
    before,
  );
  const factor = f(sign * 2 * a * given.beta);
  const dx = q.map((sum, i) => f(f(g[i] * power[i]) - f(f(factor * x[i]) * sum)));
  return { y, dx };
}

t.test('lrnWithin', async (t) => {
  const shape = [1, 1, side, side];
  const g = random(shape, 1);
  for (const size of [2, 3, 5]) {
    for (const [alpha, least, most] of [
      [0.1, 1, 10],
      [5e-5, 0, 100],
    ]) {
      const given = lrnWithin.attributes({ alpha, size });
      const x = random(shape, size, least, most);
      const { y, dx } = norm32(given, x.data, g.data);
      const what = `alpha ${alpha}, size ${size}, |x| ≤ ${most}`;
      within(t, evaluate(lrnWithin, [x], given)[0], y, what);
      within(t, evaluate(lrnWithinGradient, [g, x], given)[0], dx, `gradient, ${what}`);
    }
  }
  const given = lrnWithin.attributes({ alpha: 0.1, size: 3 });
  const x = random(shape, 3, 1, 10);
  const judged = evaluate(lrnWithinGradient, [g, x], given)[0];
  caught(t, judged, norm32(given, x.data, g.data, -1).dx, 'a wrong sign in the gradient');
  const undivided = norm32({ ...given, alphaPer: 'element' }, x.data, g.data);
  caught(t, evaluate(lrnWithin, [x], given)[0], undivided.y, 'alpha that is not divided');
});

t.test('avgPool and adaptiveAvgPool', async (t) => {
  const x = random([1, 1, side, side], 1);
  const sums = sums32(x.data, 1, 1);
  // Windows of 3×3 around the cells of an even row and column.
  const centres = Array.from({ length: 100 }, (_, i) => Math.floor(i / 10) * 2 * side + (i % 10) * 2);
  const inside = (at: number): number => (at < side ? 2 : 3) * (at % side === 0 ? 2 : 3);
  const given = { kernel: 3, stride: 2, padding: [1, 1, 0, 0] };
  const mean = (count: (at: number) => number): number[] => centres.map((at) => f(sums[at] / count(at)));
  const judged = evaluate(avgPool, [x], given)[0];
  within(t, judged, mean(inside), 'the mean of the cells inside');
  caught(
    t,
    judged,
    mean(() => 9),
    'padding that counts',
  );
  within(
    t,
    evaluate(avgPool, [x], { ...given, count: 'all' })[0],
    mean(() => 9),
    'the mean of all cells',
  );

  const dy = random([1, 1, 10, 10], 2);
  const back = new Float32Array(side * side);
  centres.forEach((at, i) => {
    for (let r = Math.max(0, Math.floor(at / side) - 1); r <= Math.floor(at / side) + 1; r++) {
      for (let c = Math.max(0, (at % side) - 1); c <= (at % side) + 1; c++) {
        back[r * side + c] += f(dy.data[i] / inside(at));
      }
    }
  });
  within(t, evaluate(avgPoolGradient, [dy], { ...given, inputSize: [side, side] })[0], back, 'its gradient');

  const total = f(x.data.reduce((sum, value) => f(sum + value), 0) / 400);
  const whole = evaluate(adaptiveAvgPool, [x], { size: 1 })[0];
  within(t, whole, [total], 'the mean of a map');
  caught(t, whole, [whole.data[0] + x.data[0] / 400], 'a cell counted twice');
});
