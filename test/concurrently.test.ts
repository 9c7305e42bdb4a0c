import t from 'tap';
import { concurrently } from '../src/concurrently.js';

const soon = () => new Promise((resolve) => setTimeout(resolve, 1));

t.test('all items, so many at a time, begun in their order', async (t) => {
  for (const atOnce of [1, 3, 20]) {
    const begun: number[] = [];
    let [underWay, most] = [0, 0];
    await concurrently(Array(10).keys(), atOnce, async (i) => {
      begun.push(i);
      most = Math.max(most, ++underWay);
      await soon();
      underWay--;
    });
    t.same(begun, [...Array(10).keys()]);
    t.equal(most, Math.min(atOnce, 10));
  }
  await concurrently([], 2, () => Promise.reject(new Error('there was nothing to do')));
});

t.test('after an error nothing is begun, and what is under way comes to its end', async (t) => {
  const ended: number[] = [];
  const work = async (i: number) => {
    await soon();
    if (i === 1) throw new RangeError('the second');
    await soon();
    ended.push(i);
  };
  await t.rejects(concurrently(Array(10).keys(), 3, work), new RangeError('the second'));
  t.same(ended, [0, 2]);
});
