/**
 * Writes assembly/generated/winograd.ts: the linear maps of Winograd convolution as straight-line code over vectors of four
 * numbers, in few operations. Run by the build, after tsc.
 */
import fs from 'node:fs';
import { transpose, winograds } from '../dist/src/ops/lib/winograd.js';

/** A linear combination: coefficients, none of them 0, by the name of the variable. */
const terms = (row) => new Map(row.flatMap((coefficient, j) => (coefficient === 0 ? [] : [[`x${j}`, coefficient]])));
/** A sum starts with a term that needs no multiplication, and adds those after the ones that need it. */
const rank = (coefficient) => (coefficient === 1 ? 0 : coefficient === -1 ? 2 : 1);
const isOne = (coefficient) => Math.abs(coefficient) === 1;

/** [i, j] of every two points a and −a: their powers differ in the sign of the odd ones only. */
function mirroredPoints({ output }) {
  const mirrored = (i, j) => output.every((row, k) => row[j] === (k % 2 === 0 ? row[i] : -row[i]));
  const points = output[0].map((_, i) => i);
  return points.flatMap((i) => points.filter((j) => j > i && mirrored(i, j)).map((j) => [i, j]));
}

/** Operations of a combination: one for each term after the first, and one to scale where no coefficient is ±1. */
const costOf = (sum) => sum.size - 1 + Number(![...sum.values()].some(isOne));

/** Rows as combinations: { sum }, or for both of a pair that is E + O and E − O of fewer terms each { even, odd, sign }. */
function rowSums(matrix, pairs) {
  const rows = matrix.map((row) => ({ sum: terms(row) }));
  for (const [i, j] of pairs) {
    const even = terms(matrix[i].map((value, k) => (value + matrix[j][k]) / 2));
    const odd = terms(matrix[i].map((value, k) => (value - matrix[j][k]) / 2));
    if (Math.max(even.size, odd.size) >= rows[i].sum.size) continue;
    rows[i] = { even, odd, sign: 1 };
    rows[j] = { even, odd, sign: -1 };
  }
  return rows;
}

/** The combination with a·x + b·y written as a multiple of the variable `name` = p·x + q·y; undefined where it has no such part. */
function substituted(sum, name, [[x, p], [y, q]]) {
  if (!sum.has(x) || sum.get(x) / p !== sum.get(y) / q) return undefined;
  const rest = [...sum].filter(([term]) => term !== x && term !== y);
  return new Map([[name, sum.get(x) / p], ...rest]);
}

/** What two terms p·x + q·y might be shared, with p = 1 or q = 1 and the other a power of two. */
function candidates(sums) {
  const found = new Map();
  for (const sum of sums) {
    const entries = [...sum];
    for (const [i, [x, a]] of entries.entries()) {
      for (const [y, b] of entries.slice(i + 1)) {
        if (!Number.isInteger(Math.log2(Math.abs(b / a)))) continue;
        for (const pair of [[[x, 1], [y, b / a]], [[x, a / b], [y, 1]]]) found.set(String(pair.sort()), pair);
      }
    }
  }
  return [...found.values()];
}

/** Takes out of the combinations, in place, what saves most when it is computed once; returns [name, sum] of each such part. */
function shareTerms(sums) {
  const shared = [];
  for (;;) {
    const name = `s${shared.length}`;
    let most = 0;
    let best;
    for (const pair of candidates(sums)) {
      const replaced = sums.map((sum) => substituted(sum, name, pair) ?? sum);
      const saved = sums.reduce((total, sum, i) => total + costOf(sum) - costOf(replaced[i]), -1);
      if (saved > most) [most, best] = [saved, { pair, replaced }];
    }
    if (!best) return shared;
    shared.push([name, new Map(best.pair)]);
    sums.forEach((sum, i) => {
      if (best.replaced[i] === sum) return;
      sum.clear();
      for (const [term, value] of best.replaced[i]) sum.set(term, value);
    });
  }
}

/** Straight-line code for `matrix` on x0, x1, …; `store(lines, row, expression)` adds what keeps a row. */
function straightLine(matrix, pairs, store) {
  const lines = [];
  const rows = rowSums(matrix, pairs);
  const sums = new Set(rows.flatMap((row) => (row.sum ? [row.sum] : [row.even, row.odd])));
  const shared = new Map(shareTerms([...sums]));
  const known = new Map();
  const constant = (value) => `f32x4.splat(${Number.isInteger(value) ? `${value}.0` : Math.fround(value)})`;
  const multiplyAdd = (factor, name, rest) =>
    `${factor < 0 ? 'n' : ''}madd(${constant(Math.abs(factor))}, ${name}, ${rest})`;
  const variable = (name, expression) => {
    lines.push(`const ${name} = ${expression};`);
    return name;
  };
  const operand = (name) => {
    if (shared.has(name) && !known.has(name)) known.set(name, variable(name, combine(shared.get(name))));
    return name;
  };

  /** The expression of a combination whose coefficients are divided by `factor`. */
  function combine(sum, factor = 1) {
    const ordered = [...sum].map(([name, value]) => [operand(name), value / factor]);
    ordered.sort(([, a], [, b]) => rank(a) - rank(b));
    const [[name, first]] = ordered.splice(0, 1);
    return ordered.reduce(
      (rest, [name, value]) => {
        if (value === 1) return `f32x4.add(${rest}, ${name})`;
        if (value === -1) return `f32x4.sub(${rest}, ${name})`;
        return multiplyAdd(value, name, rest);
      },
      first === 1 ? name : first === -1 ? `f32x4.neg(${name})` : `f32x4.mul(${constant(first)}, ${name})`,
    );
  }

  /** What to divide by so that some coefficient is ±1 and the others stay dyadic. */
  function factorOf(sum) {
    const values = [...sum.values()];
    if (values.some(isOne)) return 1;
    const dyadic = (factor) => values.every((value) => Number.isInteger((value / factor) * 1024));
    return values.find(dyadic) ?? 1;
  }

  rows.forEach(({ sum, even, odd, sign }, i) => {
    if (sum) {
      const factor = factorOf(sum);
      const whole = combine(sum, factor);
      store(lines, i, factor === 1 ? whole : `f32x4.mul(${constant(factor)}, ${whole})`);
      return;
    }
    if (!known.has(even)) {
      const [evenFactor, oddFactor] = [factorOf(even), factorOf(odd)];
      const evenSum = combine(even, evenFactor);
      const e = variable(`e${i}`, evenFactor === 1 ? evenSum : `f32x4.mul(${constant(evenFactor)}, ${evenSum})`);
      known.set(even, { e, o: variable(`o${i}`, combine(odd, oddFactor)), oddFactor });
    }
    const { e, o, oddFactor } = known.get(even);
    const scale = sign * oddFactor;
    if (isOne(scale)) store(lines, i, `f32x4.${scale === 1 ? 'add' : 'sub'}(${e}, ${o})`);
    else store(lines, i, multiplyAdd(scale, o, e));
  });
  return lines;
}

const parameters = 'from: usize, stride: usize, step: usize, to: usize, toStride: usize, toStep: usize, count: i32';

function lineFunction(name, matrix, pairs) {
  const loads = matrix[0].map((_, j) => [...(j > 0 ? ['x += stride;'] : []), `const x${j} = v128.load(x);`]).flat();
  const body = straightLine(matrix, pairs, (lines, i, expression) => {
    if (i > 0) lines.push('y += toStride;');
    lines.push(`v128.store(y, ${expression});`);
  });
  return `export function ${name}(${parameters}): void {
  for (let line = 0; line < count; line++) {
    let x = from;
    let y = to;
    ${[...loads, ...body].join('\n    ')}
    from += step;
    to += toStep;
  }
}
`;
}

function dispatcher(name, suffixes) {
  const call = (suffix) => `${name}${suffix}(from, stride, step, to, toStride, toStep, count)`;
  const branches = suffixes.map((suffix, i) =>
    i < suffixes.length - 1 ? `if (variant == ${i}) ${call(suffix)};\n  else ` : `${call(suffix)};`,
  );
  return `export function ${name}(variant: i32, ${parameters}): void {\n  ${branches.join('')}\n}\n`;
}

/** Matrices with a row for each point (which pair where points do) or a column for each. */
const maps = {
  inputLines: (one) => [one.input, mirroredPoints(one)],
  outputLines: (one) => [one.output, []],
  filterLines: (one) => [one.filter, mirroredPoints(one)],
  gradientLines: (one) => [transpose(one.output), mirroredPoints(one)],
  filterGradientLines: (one) => [transpose(one.filter), []],
};

const suffixes = Object.keys(winograds).map((name) => name.slice('winograd'.length));
const source = [
  '/** Written by scripts/winograd.mjs. Each function applies one matrix to `count` lines of vectors. */',
  "import { madd, nmadd } from '../lib/simd';\n",
  ...Object.entries(maps).flatMap(([name, mapOf]) => [
    ...Object.values(winograds).map((one, i) => lineFunction(`${name}${suffixes[i]}`, ...mapOf(one))),
    dispatcher(name, suffixes),
  ]),
].join('\n');

const folder = new URL('../assembly/generated/', import.meta.url);
fs.mkdirSync(folder, { recursive: true });
fs.writeFileSync(new URL('winograd.ts', folder), source);
