import t from 'tap';
import { philox4x32 } from '../src/ops/lib/philox.js';

function words(counter: readonly number[], key: readonly number[]): string[] {
  const out = new Uint32Array(4);
  philox4x32(counter, key, out);
  return [...out].map((word) => word.toString(16).padStart(8, '0'));
}

t.test('known answers of the Random123 distribution', async (t) => {
  t.same(words([0, 0, 0, 0], [0, 0]), ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
  const ones = 0xffffffff;
  t.same(words([ones, ones, ones, ones], [ones, ones]), ['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
  t.same(words([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]), [
    'd16cfe09',
    '94fdcceb',
    '5001e420',
    '24126ea1',
  ]);
});

t.test('signed words are the same bits', async (t) => {
  t.same(words([-1, -1, -1, -1], [-1, -1]), ['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
});
