/** Tensors whose elements lie in the file in any order, with holes or without. */
import fc from 'fast-check';
import t from 'tap';
import { memorySource } from '../src/formats/byteSource.js';
import { columnMajorStrides, countElements, rowMajorStrides } from '../src/formats/shapes.js';
import { overlaps, span, stridedReader } from '../src/formats/strided.js';

/** Shapes with strides that are those of a permuted, sliced or padded array. */
const layouts = fc
  .array(fc.record({ extent: fc.integer({ min: 1, max: 5 }), hole: fc.nat(2), step: fc.integer({ min: 1, max: 3 }) }), {
    maxLength: 5,
  })
  .chain((axes) =>
    fc.shuffledSubarray([...axes.keys()], { minLength: axes.length }).map((order) => {
      const strides = axes.map(() => 0);
      let next = 1;
      for (const i of order) {
        strides[i] = next * axes[i].step;
        next = strides[i] * axes[i].extent + axes[i].hole;
      }
      return { shape: axes.map(({ extent }) => extent), strides };
    }),
  );

t.test('every element comes from where its strides say', async (t) => {
  await fc.assert(
    fc.asyncProperty(layouts, fc.nat(3), fc.nat(100), fc.nat(100), async (layout, begin, first, length) => {
      const { shape, strides } = layout;
      const end = span(layout);
      t.notOk(overlaps(layout));
      const source = memorySource(new Uint8Array(Float32Array.from({ length: begin + end }, (_, i) => i).buffer));
      const load = stridedReader(source, { begin: 4 * begin, dtype: 'F32', ...layout });
      const count = countElements(shape, Number.POSITIVE_INFINITY, (what) => new Error(what) as never);
      const steps = rowMajorStrides(shape);
      const place = (element: number) =>
        shape.reduce((sum, extent, i) => sum + (Math.floor(element / steps[i]) % extent) * strides[i], begin);
      const offset = first % count;
      for (const [from, size] of [
        [0, count],
        [offset, Math.min(length, count - offset)],
      ]) {
        const into = new Float32Array(size);
        await load(into, from);
        t.same(
          [...into],
          Array.from({ length: size }, (_, i) => place(from + i)),
        );
      }
    }),
    { numRuns: 80, seed: 5 },
  );
});

t.test('elements that share memory', async (t) => {
  const cases: readonly (readonly [shape: number[], strides: number[], shared: boolean])[] = [
    [[3, 4], [4, 1], false],
    [[3, 4], [1, 3], false],
    [[3, 4], [1, 0], true],
    [[3, 4], [1, 1], true],
    [[3, 4], [3, 1], true],
    [[1, 4], [0, 1], false],
    [[0, 4], [0, 0], false],
    [[], [], false],
  ];
  for (const [shape, strides, shared] of cases) t.equal(overlaps({ shape, strides }), shared, `${shape} by ${strides}`);
});

t.test('a large tensor with holes is read once, a window after another', async (t) => {
  const shape = [600, 700];
  const strides = [1000, 1]; // a slice of the columns
  const values = Float32Array.from({ length: 600_000 }, (_, i) => i);
  const bytes = memorySource(new Uint8Array(values.buffer));
  let asked = 0;
  const source: typeof bytes = {
    ...bytes,
    async read(offset, into) {
      asked += into.length;
      await bytes.read(offset, into);
    },
  };
  const load = stridedReader(source, { begin: 40, dtype: 'F32', shape, strides });
  const into = new Float32Array(420_000);
  await load(into, 0);
  t.ok(into.every((value, i) => value === 10 + Math.floor(i / 700) * 1000 + (i % 700)));
  t.ok(asked <= values.byteLength, 'no byte twice', { asked });
  t.same(columnMajorStrides([2, 3, 4]), [1, 2, 6]);
});
