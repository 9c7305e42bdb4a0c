/** The matrices of Winograd convolution: exact but for rounding in float64, and of simple numbers. */
import t from 'tap';
import { type Matrix, winograds } from '../src/ops/lib/winograd.js';
import { random } from './support/tensors.js';

const times = (matrix: Matrix, v: ArrayLike<number>): number[] =>
  matrix.map((row) => row.reduce((sum, value, k) => sum + value * v[k], 0));

for (const [name, { outputs, taps, size, output, filter, input }] of Object.entries(winograds)) {
  t.test(`${name} is a correlation of ${taps} taps`, (t) => {
    t.equal(size, outputs + taps - 1);
    const x = random([size], 1).data;
    const w = random([taps], 2).data;
    const inputs = times(input, x);
    const y = times(
      output,
      times(filter, w).map((value, i) => value * inputs[i]),
    );
    for (const [i, value] of y.entries()) {
      const expected = w.reduce((sum, weight, k) => sum + weight * x[i + k], 0);
      t.ok(Math.abs(value - expected) < 1e-13, `output ${i}: ${value}, expected ${expected}`);
    }
    t.end();
  });

  t.test(`${name}: the transforms of inputs and outputs are dyadic`, (t) => {
    for (const value of [...input, ...output].flat()) t.ok(Number.isInteger(value * 64), `${value}`);
    t.end();
  });
}
