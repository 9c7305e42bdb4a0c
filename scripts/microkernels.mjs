/**
 * Writes assembly/generated/microkernels.ts: the innermost loops of every product, unrolled. Run by the build.
 *
 * A step takes so few instructions for each multiply-add that those of the loop itself (pointers, end, the engine's check of the
 * stack) would cost a fifth of the time where two threads share a core. Between the steps of one round stands the test for the
 * end: depths need no remainder, and engines, which move the loads of a whole block to its top, find few enough to keep in
 * registers.
 */
import fs from 'node:fs';

const unrolled = 4;
const range = (count) => Array.from({ length: count }, (_, i) => i);
const indent = (lines, by = '  ') => lines.flat(Infinity).map((line) => by + line);
const offset = (bytes) => (bytes === 0 ? '' : `, ${bytes}`);

/**
 * The loop over `depth` steps, each of which moves every pointer of `advance` on by its bytes; the first of them ends the loop. `step(at)`
 * gives the lines of a step, where at(pointer, bytes) is the text of an address and its offset, with the value to store between them.
 */
function loop(depth, advance, step) {
  const [[first, bytes]] = Object.entries(advance);
  const rounds = range(unrolled).map((i) => [
    i === 0 ? [] : `if (${first} == end${i}) break;`,
    '{',
    indent(step((pointer, more = 0, value) => [pointer, value].filter(Boolean).join(', ') + offset(i * advance[pointer] + more))),
    '}',
  ]);
  return [
    `const end = ${first} + <usize>(${depth}) * ${bytes};`,
    range(unrolled - 1).map((i) => `const end${i + 1} = end - ${(i + 1) * bytes};`),
    `while (${first} != end) {`,
    indent([rounds, Object.entries(advance).map(([pointer, by]) => `${pointer} += ${unrolled * by};`)]),
    '}',
  ];
}

/** Sums of rows × vectors, c0_0 and so on, and the lines for each of them. */
const sums = (rows, vectors) => range(rows).flatMap((row) => range(vectors).map((v) => [`c${row}_${v}`, row, v]));
const zeros = (list) => `let ${list.map(([name]) => `${name} = zero()`).join(', ')};`;
const stores = (list, to) => list.map(([name, row, v]) => `v128.store(${to(row, v)}, ${name}${offset(to.offset(row, v))});`);
/** Sums that lie one after another from c on. */
const together = (vectors) => Object.assign(() => 'c', { offset: (row, v) => (row * vectors + v) * 16 });

function define(name, parameters, body) {
  return [`export function ${name}(${parameters}): void {`, indent(body), '}', ''];
}

/** One step: `vectors` of b against a number of each row of a. */
const outerStep = (rows, vectors, factor) => (at) => [
  range(vectors).map((v) => `const b${v} = v128.load(${at('b', v * 16)});`),
  range(rows).map((row) => [
    `const s${row} = v128.load32_splat(${factor(at, row)});`,
    range(vectors).map((v) => `c${row}_${v} = madd(s${row}, b${v}, c${row}_${v});`),
  ]),
];

/** c[rows][vectors · 4] = Σ_k a[row][k] · b[k][vectors · 4], rows of a `stride` bytes apart. */
function rowsTile(rows, vectors) {
  const list = sums(rows, vectors);
  const others = range(rows).slice(1);
  const advance = { b: vectors * 16, ...Object.fromEntries(range(rows).map((row) => [`a${row}`, 4])) };
  return define(`rows${rows}x${vectors * 4}`, 'a0: usize, stride: usize, b: usize, depth: i32, c: usize', [
    others.map((row) => `let a${row} = a${row - 1} + stride;`),
    zeros(list),
    loop('depth', advance, outerStep(rows, vectors, (at, row) => at(`a${row}`))),
    stores(list, together(vectors)),
  ]);
}

/** c[rows][8] = Σ_k a[k][rows] · b[k][8] for packed panels, rows of c `stride` bytes apart; with all that a convolution adds to it. */
function outerTile(rows) {
  const list = sums(rows, 2);
  const start = ([name, row, v]) => `let ${name} = startRow(more, r${row} + ${v * 16});`;
  const finish = (row) => `finishRow(r${row}, c${row}_0, c${row}_1, bias ? bias + ${row * 4} : 0, relu);`;
  return define(
    `outer${rows}`,
    'a: usize, b: usize, depth: i32, r0: usize, stride: usize, more: bool, bias: usize, relu: bool',
    [
      range(rows).slice(1).map((row) => `const r${row} = r${row - 1} + stride;`),
      list.map(start),
      loop('depth', { b: 32, a: rows * 4 }, outerStep(rows, 2, (at, row) => at('a', row * 4))),
      range(rows).map(finish),
    ],
  );
}

/**
 * The same for two rows of the four in panel a and for two panels b, one after the other, nothing added: depths are so short that what
 * stands around the loop counts, and whole cache lines of c are touched at once.
 */
function outerRows(name, more, finish) {
  const list = sums(2, 4);
  return define(name, `a: usize, b: usize, depth: i32, r0: usize, stride: usize${more}`, [
    'const r1 = r0 + stride;',
    'let next = b + (<usize>depth << 5);',
    zeros(list),
    loop('depth', { b: 32, next: 32, a: 16 }, (at) => [
      range(4).map((v) => `const b${v} = v128.load(${at(v < 2 ? 'b' : 'next', (v % 2) * 16)});`),
      range(2).map((row) => [
        `const s${row} = v128.load32_splat(${at('a', row * 4)});`,
        range(4).map((v) => `c${row}_${v} = madd(s${row}, b${v}, c${row}_${v});`),
      ]),
    ]),
    finish(list),
  ]);
}

/** Sums to the rows that they are of. */
const storeRows = (list) => stores(list, Object.assign((row) => `r${row}`, { offset: (_, v) => v * 16 }));

/** Sums are gradients of what the rows hold, a step of `sgd` with them; velocities lie `velocities` bytes further on. */
const descendRows = (list) => {
  const factors = ['momentum', 'decay', 'intoVelocity', 'intoWeight'];
  return [
    factors.map((name, i) => `const ${name} = v128.load(factors${offset(i * 16)});`),
    list.map(([sum, row, v]) => {
      const w = `r${row} + ${v * 16}`;
      return `descend(${w}, ${w} + velocities, ${sum}, ${factors.join(', ')});`;
    }),
  ];
};

/** sums[4][2][lane] += Σ_i a[i][4][lane] · b[i][2][lane]. */
function dotTile() {
  const list = sums(4, 2);
  return define('dotTile', 'a: usize, b: usize, steps: i32, c: usize', [
    list.map(([name, row, v]) => `let ${name} = v128.load(c${offset((row * 2 + v) * 16)});`),
    loop('steps', { b: 32, a: 64 }, (at) => [
      range(2).map((v) => `const b${v} = v128.load(${at('b', v * 16)});`),
      range(4).map((row) => [
        `const a${row} = v128.load(${at('a', row * 16)});`,
        range(2).map((v) => `c${row}_${v} = madd(a${row}, b${v}, c${row}_${v});`),
      ]),
    ]),
    stores(list, together(2)),
  ]);
}

/**
 * c[images][rows][lane] = Σ_i x[image][i][lane] · w[row][i][lane] for rows w0, w1 … wherever they are, and a last step of `tail` lanes
 * if there is one. What follows a row there is another row's, perhaps infinite: it is masked.
 */
function timesRows(name, images, rows, bytes, load) {
  const list = range(images).flatMap((n) => range(rows).map((row) => [`c${n}_${row}`, n, row]));
  const xs = range(images).map((n) => `x${n}`);
  const ws = range(rows).map((row) => `w${row}`);
  const advance = Object.fromEntries([...xs.map((x) => [x, 16]), ...ws.map((w) => [w, bytes])]);
  const step = (xAt, wAt) => [
    xs.map((x, n) => `const v${n} = ${xAt(x)};`),
    ws.map((w, row) => [
      `const u${row} = ${wAt(w)};`,
      range(images).map((n) => `c${n}_${row} = madd(u${row}, v${n}, c${n}_${row});`),
    ]),
  ];
  const masked = (value) => `v128.and(${value}, mask)`;
  return define(name, `${[...ws, ...xs].map((pointer) => `${pointer}: usize`).join(', ')}, steps: i32, tail: i32, c: usize`, [
    Object.entries(advance).map(([pointer, by]) => `const ${pointer}Tail = ${pointer} + <usize>steps * ${by};`),
    zeros(list),
    loop('steps', advance, (at) => step((x) => `v128.load(${at(x)})`, (w) => load(at(w)))),
    'if (tail) {',
    indent(['const mask = laneMask(tail);', step((x) => masked(`v128.load(${x}Tail)`), (w) => masked(load(`${w}Tail`)))]),
    '}',
    stores(list, together(rows)),
  ]);
}

const float = (address) => `v128.load(${address})`;
const int16 = (address) => `f32x4.convert_i32x4_s(v128.load16x4_s(${address}))`;

/** t[row][images][lane] += Σ_i w[row][i][lane] · x[i][images][lane] for two rows of int16 weights. */
function int16Tile(images) {
  const list = sums(2, images);
  const place = ([, row, n]) => `t${row}${offset(n * 16)}`;
  return define(`int16Tile${images}`, 'w0: usize, w1: usize, x: usize, steps: i32, t0: usize, t1: usize', [
    list.map((sum) => `let ${sum[0]} = v128.load(${place(sum)});`),
    loop('steps', { w0: 8, w1: 8, x: images * 16 }, (at) => [
      range(2).map((row) => `const u${row} = ${int16(at(`w${row}`))};`),
      range(images).map((n) => [
        `const v${n} = v128.load(${at('x', n * 16)});`,
        range(2).map((row) => `c${row}_${n} = madd(u${row}, v${n}, c${row}_${n});`),
      ]),
    ]),
    stores(list, Object.assign((row) => `t${row}`, { offset: (_, n) => n * 16 })),
  ]);
}

/**
 * Adds rows of w, each times its factor, to the sums of four images, which are interleaved vector by vector. The factors of one
 * image lie next to each other, those of the next `step` bytes further; where images are missing the last one is taken again.
 */
function addRows(rows) {
  const images = range(4);
  const factors = images.map((n) => [
    n === 0 ? [] : `if (images > ${n}) factors += step;`,
    range(rows).map((row) => `const f${n}_${row} = v128.load32_splat(factors${offset(row * 4)});`),
  ]);
  const sum = (at, n) => range(rows).reduce((sum, row) => `madd(f${n}_${row}, v${row}, ${sum})`, `v128.load(${at('sums', n * 16)})`);
  const advance = { sums: 64, ...Object.fromEntries(range(rows).map((row) => [`w${row}`, 16])) };
  return define(`addRows${rows}`, 'w0: usize, stride: usize, factors: usize, step: usize, images: i32, sums: usize, vectors: i32', [
    factors,
    range(rows).slice(1).map((row) => `let w${row} = w${row - 1} + stride;`),
    loop('vectors', advance, (at) => [
      range(rows).map((row) => `const v${row} = v128.load(${at(`w${row}`)});`),
      images.map((n) => `v128.store(${at('sums', n * 16, sum(at, n))});`),
    ]),
  ]);
}

const source = [
  '/** Written by scripts/microkernels.mjs. */',
  "import { finishRow, startRow } from '../lib/epilogue';",
  "import { laneMask, madd, zero } from '../lib/simd';",
  "import { descend } from '../sgd';",
  '',
  range(3).map((i) => rowsTile(i + 1, 3)),
  range(4).map((i) => rowsTile(i + 1, 2)),
  range(4).map((i) => outerTile(i + 1)),
  outerRows('outerRows', '', storeRows),
  outerRows('outerRowsSgd', ', velocities: usize, factors: usize', descendRows),
  dotTile(),
  timesRows('timesRow', 1, 4, 16, float),
  timesRows('timesPair', 2, 4, 16, float),
  timesRows('timesInt16', 1, 6, 8, int16),
  range(4).map((i) => int16Tile(i + 1)),
  addRows(1),
  addRows(3),
];

const folder = new URL('../assembly/generated/', import.meta.url);
fs.mkdirSync(folder, { recursive: true });
fs.writeFileSync(new URL('microkernels.ts', folder), source.flat(Infinity).join('\n'));
