/** Pickles opcode by opcode, as far as no fixture has them, and those that are refused. */
import t from 'tap';
import { memorySource } from '../src/formats/byteSource.js';
import { type PickleRules, readPickle } from '../src/formats/pickle.js';
import { PickleInput } from '../src/formats/pickleInput.js';
import {
  PickleBytes,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleText,
  type PickleValue,
} from '../src/formats/pickleValues.js';

const rules: PickleRules = {
  global: (name) => (name === 'known.thing' ? new PickleGlobal(name, (args) => args.length) : undefined),
  persistent: (id) => id,
  advice: 'Do better.',
};

function read(text: string, rulesOf: PickleRules = rules): Promise<PickleValue> {
  return readPickle(new PickleInput(memorySource(Buffer.from(text, 'latin1'), "'a.pkl'")), rulesOf);
}

/** As plain JavaScript: dictionaries as pairs, bytes as { bytes }. */
function plain(value: PickleValue): unknown {
  if (value instanceof PickleList) return value.items.map(plain);
  if (value instanceof PickleDict) return { pairs: [...value.entries].map((pair) => pair.map(plain)) };
  if (value instanceof PickleBytes) return { bytes: value.latin1 ?? value.length };
  return value instanceof PickleText ? { text: value.length } : value;
}

t.test('values', async (t) => {
  const cases: readonly (readonly [pickle: string, value: unknown])[] = [
    ['N.', null],
    ['\x80\x02\x88.', true],
    ['I00\n.', false],
    ['I-12\n.', -12],
    ['L12345678901234567890L\n.', 12345678901234567890n],
    ['J\xff\xff\xff\xff.', -1],
    ['M\x01\x02.', 513],
    ['\x8a\x00.', 0],
    ['\x8a\x01\xff.', -1],
    ['\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00.', 2n ** 64n - 1n],
    ['\x8b\x02\x00\x00\x00\x00\x01.', 256],
    ['F-1.5e3\n.', -1500],
    ['F-inf\n.', Number.NEGATIVE_INFINITY],
    ['Fnan\n.', Number.NaN],
    ['G\x3f\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
    ["S'a\\x00\\'\\n\\\\'\n.", { bytes: "a\0'\n\\" }],
    ['V\\u20ac\\U0001f600\xe9\n.', '€😀é'],
    ['X\x02\x00\x00\x00\xc3\xa9.', 'é'],
    ['U\x02\xc3\xa9.', { bytes: '\xc3\xa9' }],
    [`T\x01\x01\x00\x00${'b'.repeat(257)}.`, { bytes: 257 }],
    [`X\x01\x10\x00\x00${'c'.repeat(4097)}.`, { text: 4097 }],
    ['(K\x01K\x02l.', [1, 2]],
    [']K\x01aK\x02a(K\x03e.', [1, 2, 3]],
    [')K\x01\x85\x86.', [[], [1]]],
    ['(K\x01K\x02K\x03t.', [1, 2, 3]],
    ['K\x01K\x02K\x03\x87.', [1, 2, 3]],
    ['(U\x01aK\x01X\x01\x00\x00\x00aK\x02d.', { pairs: [['a', 2]] }],
    [
      '}K\x01K\x02s(K\x03K\x04u.',
      {
        pairs: [
          [1, 2],
          [3, 4],
        ],
      },
    ],
    ['\x80\x04\x8f\x94(K\x01K\x02\x90.', [1, 2]],
    ['(K\x01\x91.', [1]],
    ['K\x0520K\x06.', 6],
    ['K\x07p3\n0g3\n.', 7],
    ['K\x08r\x00\x01\x00\x000j\x00\x01\x00\x00.', 8],
    ['(K\x01K\x021K\x09.', 9],
    ['\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x0a.', 10],
    ['cknown\nthing\n(K\x01K\x02tR.', 2],
    ['\x8c\x05known\x8c\x05thing\x93)\x81.', 0],
    ['}}(K\x01K\x02ub.', { pairs: [] }],
    ['K\x0bQ.', 11],
  ];
  for (const [pickle, value] of cases) t.same(plain(await read(pickle)), value, JSON.stringify(pickle.slice(0, 40)));
});

t.test('a pickle ends where it says, and the next one follows', async (t) => {
  const input = new PickleInput(memorySource(Buffer.from('K\x01.K\x02.rest', 'latin1')));
  t.equal(await readPickle(input, rules), 1);
  t.equal(await readPickle(input, rules), 2);
  t.equal(input.position, 6);
});

t.test('strings across the window, and long ones that are passed over', async (t) => {
  const long = 'x'.repeat(100_000);
  const items = Array.from({ length: 9000 }, (_, i) => `X\x0a\x00\x00\x00${`${i}`.padStart(10)}`).join('');
  const list = plain(await read(`(${items}B\xa0\x86\x01\x00${long}U\x03endl.`)) as unknown[];
  t.equal(list.length, 9002);
  t.ok(list.slice(0, 9000).every((item, i) => Number(item) === i));
  t.same(list.slice(9000), [{ bytes: 100_000 }, { bytes: 'end' }]);
});

t.test('what is refused, with the byte where it stands', async (t) => {
  const cases: readonly (readonly [pickle: string, message: RegExp])[] = [
    ['', /^'a\.pkl': the pickle ends at byte 0/],
    ['K', /ends at byte 1, expected 1 bytes from byte 1/],
    ['\x80\x06.', /byte 0: protocol 6/],
    ['.', /byte 0: the stack is empty/],
    ['(K\x01(.', /the stack is empty/],
    ['t.', /byte 0: there is no mark/],
    ['h\x05.', /the memo has no entry 5/],
    ['K\x01K\x02a.', /items for what is no list/],
    ['\x8fK\x02a.', /items for what is no list/],
    [']K\x02K\x03s.', /no dictionary/],
    ['}(K\x01u.', /a key without a value/],
    ['I1x\n.', /"1x" is no integer/],
    ['F1,5\n.', /"1,5" is no float/],
    ['gx\n.', /no index of the memo/],
    ['Sabc\n.', /a str without quotes/],
    ["S'\\q'\n.", /the escape/],
    ["S'\\x1'\n.", /the escape/],
    ['V\\U7fffffff\n.', /the escape/],
    ['X\x01\x00\x00\x00\xff.', /not UTF-8/],
    ['K\x01K\x02\x93.', /named by two strings/],
    ['cknown\nthing\n]R.', /arguments must be a tuple/],
    ['K\x01)R.', /calls what cannot be called/],
    ['K\x01}b.', /a state for what has none/],
    ['(K\x01iknown\nthing\n.', /opcode 0x69/],
    ['\x97.', /opcode 0x97/],
    ['cos\nsystem\n.', /byte 0: names the Python object "os\.system", which is not loaded: .*\. Do better\.$/],
    ['c__builtin__\neval\n.', /"__builtin__\.eval"/],
    [`c${'m'.repeat(300)}\nx\n.`, /"m{200}…"/],
  ];
  for (const [pickle, message] of cases) await t.rejects(read(pickle), { name: 'FileError', message }, `${message}`);
  const plainRules = { ...rules, persistent: undefined };
  await t.rejects(read('K\x01Q.', plainRules), { name: 'FileError', message: /has a persistent id/ });
});
