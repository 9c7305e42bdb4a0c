/** Tensors whose axes lie in another order, read in the order that is wanted. */
import fc from 'fast-check';
import t from 'tap';
import { isIdentity, permutation, permuted } from '../src/formats/permute.js';

/** Letters with extents, in the orders of source and destination. */
const orders = fc.array(fc.integer({ min: 1, max: 19 }), { minLength: 1, maxLength: 4 }).chain((extents) => {
  const letters = [...'ABCD'].slice(0, extents.length);
  const order = fc.shuffledSubarray(letters, { minLength: letters.length });
  return fc.record({
    extents: fc.constant(new Map(letters.map((letter, i) => [letter, extents[i]]))),
    from: order.map((some) => some.join('')),
    to: order.map((some) => some.join('')),
    reversed: fc.option(fc.constantFrom(...letters), { nil: undefined }),
  });
});

t.test('every element goes where its indices say, bit by bit', async (t) => {
  await fc.assert(
    fc.asyncProperty(orders, fc.nat(), fc.nat(), async ({ extents, from, to, reversed }, first, length) => {
      const order = permutation(extents, from, to, reversed);
      // Signalling NaNs among them: a move as a number would make them quiet.
      const source = Uint32Array.from({ length: order.count }, (_, i) => 0x7f80_0001 + i);
      const wanted = new Uint32Array(order.count);
      for (let at = 0; at < order.count; at++) {
        const indices = new Map<string, number>();
        let rest = at;
        for (const letter of [...from].reverse()) {
          const extent = extents.get(letter) ?? 1;
          const index = rest % extent;
          indices.set(letter, letter === reversed ? extent - 1 - index : index);
          rest = Math.floor(rest / extent);
        }
        const place = [...to].reduce((sum, letter) => sum * (extents.get(letter) ?? 1) + (indices.get(letter) ?? 0), 0);
        wanted[place] = source[at];
      }
      const load = permuted(async (into, offset) => {
        new Uint32Array(into.buffer, into.byteOffset, into.length).set(source.subarray(offset, offset + into.length));
      }, order);
      const begin = first % order.count;
      for (const [at, size] of [
        [0, order.count],
        [begin, Math.min(1 + (length % 99), order.count - begin)],
      ]) {
        const into = new Float32Array(size);
        await load(into, at);
        const bits = new Uint32Array(into.buffer);
        t.equal(
          bits.findIndex((value, i) => value !== wanted[at + i]),
          -1,
          `${from} to ${to}, ${size} elements from ${at} on`,
        );
      }
    }),
    { numRuns: 150, seed: 7 },
  );
});

t.test('a large tensor is read from beginning to end, in slices, and never held a second time', async (t) => {
  const extents = new Map([
    ['H', 5],
    ['W', 7],
    ['I', 31],
    ['O', 8009],
  ]);
  const count = 5 * 7 * 31 * 8009;
  const order = permutation(extents, 'HWIO', 'OIHW');
  let next = 0;
  const most = 2 ** 22;
  const load = permuted(async (into, offset) => {
    if (offset !== next || into.length > most) t.fail(`reads ${into.length} from ${offset}, expected ${next}`);
    next = (offset + into.length) % count;
    for (let i = 0; i < into.length; i++) into[i] = offset + i;
  }, order);
  const whole = new Float32Array(count);
  await load(whole, 0);
  const stored = (o: number, i: number, h: number, w: number) => ((h * 7 + w) * 31 + i) * 8009 + o;
  let wrong = 0;
  for (let at = 0, o = 0; o < 8009; o++)
    for (let i = 0; i < 31; i++)
      for (let h = 0; h < 5; h++) for (let w = 0; w < 7; w++, at++) if (whole[at] !== stored(o, i, h, w)) wrong++;
  t.equal(wrong, 0);
  const part = new Float32Array(2 ** 20 + 3);
  for (let at = 0; at < count; at += part.length) {
    const some = part.subarray(0, count - at);
    await load(some, at);
    if (some.some((value, i) => value !== whole[at + i])) t.fail(`the part from ${at} on`);
  }
  const both = await Promise.all(
    [5, count - 11].map(async (at) => {
      const some = new Float32Array(6);
      await load(some, at);
      return some;
    }),
  );
  t.same(both, [whole.slice(5, 11), whole.slice(count - 11, count - 5)], 'parts at one time do not meet');
  // Rows longer than a slice.
  const long = permutation(
    new Map([
      ['O', 2],
      ['I', 4_500_001],
    ]),
    'OI',
    'IO',
  );
  const wide = new Float32Array(long.count);
  await permuted(async (into, offset) => {
    for (let i = 0; i < into.length; i++) into[i] = offset + i;
  }, long)(wide, 0);
  t.equal(
    wide.findIndex((value, at) => value !== (at % 2) * 4_500_001 + (at >> 1)),
    -1,
  );
  await t.rejects(permuted(() => Promise.reject(new RangeError('gone')), order)(whole, 0), new RangeError('gone'));
  t.ok(isIdentity(permutation(extents, 'OIHW', 'OIHW')));
  t.ok(
    isIdentity(
      permutation(
        new Map([
          ['O', 1],
          ['I', 3],
        ]),
        'IO',
        'OI',
      ),
    ),
    'an axis of extent 1 may lie anywhere',
  );
});
