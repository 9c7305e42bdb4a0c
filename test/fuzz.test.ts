/** Files from strangers: damaged ones by chance, and some that were made to do harm. `node dist/test/fuzz/run.js` has more of the first. */
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { deflateRawSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { fuzzedFormats } from './fuzz/formats.js';
import { fuzz } from './fuzz/fuzz.js';
import { allocations } from './fuzz/meter.js';
import { field, fixed32, varint } from './support/protobuf.js';
import { zip } from './support/zip.js';

for (const format of fuzzedFormats) {
  t.test(`damaged ${format.name}`, async (t) => {
    const { cases, read, opened } = await fuzz(format, 250, 7);
    t.ok(read > cases / 50 && opened < cases, 'the damage is neither all lethal nor all harmless', { read, opened });
  });
}

t.test('the meter sees what is allocated', async (t) => {
  const { total, largest } = await allocations(4000, async () => {
    new Uint8Array(10);
    new Float32Array(1000);
    new Float32Array(new ArrayBuffer(8));
  });
  t.same({ total, largest }, { total: 4018, largest: 4000 });
  await t.rejects(
    allocations(3999, async () => void new Float32Array(1000)),
    { name: 'RangeError', message: /Float32Array of 4000 bytes/ },
  );
  t.doesNotThrow(() => new Float32Array(2000), 'and sees no more after it');
});

/** A file of one array of objects, which is this pickle. */
function pickled(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  const header = "{'descr': '|O', 'fortran_order': False, 'shape': ()}";
  const head = `\x93NUMPY\x01\x00${String.fromCharCode(header.length)}\0${header}`;
  return new Uint8Array(Buffer.concat([head, ...parts].map((part) => Buffer.from(part as string, 'latin1'))));
}

const array = 'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS"b"\ntR';
const float32 = 'cnumpy\ndtype\n(S"f4"\nI0\nI1\ntR(I3\nS"<"\nNNNtb';

function many(bytes: Uint8Array, count: number): Buffer {
  return Buffer.alloc(bytes.length * count, bytes);
}

/** A net of one layer that has a name and something more. */
function layerWith(...more: readonly Uint8Array[]): Uint8Array {
  return field(100, Buffer.concat([field(1, 'conv1'), ...more]));
}

/** An ONNX model whose graph is this. */
function graphOf(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([varint(1, 8), field(8, varint(2, 13)), field(7, Buffer.concat(fields))]);
}

const hostile: readonly (readonly [what: string, bytes: () => Uint8Array, message: RegExp])[] = [
  ['empty lists', () => pickled(']'.repeat(3e6), '.'), /more than 524288 objects/],
  ['nothing, often', () => pickled('N'.repeat(6e6), '.'), /more than 4000000 opcodes/],
  ['marks', () => pickled('('.repeat(6e6), '.'), /more than 4000000 opcodes/],
  ['a memo of nothing', () => pickled('N', '\x94'.repeat(3e6), '.'), /more than 524288 objects/],
  ['lists in lists', () => pickled(']'.repeat(1000), 'a'.repeat(999), '.'), /nest deeper than 32/],
  ['a list that holds itself', () => pickled(']q\x00h\x00a.'), /nest deeper than 32|more often than weights do/],
  [
    'lists that hold each other a billion times',
    () =>
      pickled(']q\x00', ...Array.from({ length: 30 }, () => '](h\x00h\x00h\x00h\x00h\x00h\x00h\x00h\x00eq\x00'), '.'),
    /more often than weights do/,
  ],
  [
    'copies of a long list',
    () => pickled('(', 'N'.repeat(2e5), 'lq\x01', '0c__builtin__\nset\nq\x02', 'h\x02h\x01\x85R0'.repeat(1e5), '.'),
    /more than 524288 objects/,
  ],
  ['a string of 2 GiB', () => pickled('T\xff\xff\xff\x7fabc'), /expected 2147483647 bytes/],
  ['a string of 8 EiB', () => pickled('\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc'), /expected 9223372036854776000 bytes/],
  ['an integer of 2 GiB', () => pickled('\x8b\xff\xff\xff\x7fabc'), /an integer of 2147483647 bytes/],
  ['an integer of a million digits', () => pickled(`L${'9'.repeat(50_000)}L\n.`), /no integer of up to 600 digits/],
  ['a line without end', () => pickled('c', 'a'.repeat(1e6)), /does not end/],
  [
    'an array with a shape that it has no bytes for',
    () => pickled(array, '(I1\n(I1000000\nI1000000\nt', float32, 'I00\nS"abcd"\ntb.'),
    /has 1000000000000 elements, there is room for 4/,
  ],
  ['a call of what is data', () => pickled(']]R.'), /arguments must be a tuple/],
  ['a class of its own', () => pickled('c__main__\nNet\n)\x81.'), /names the Python object "__main__\.Net"/],
  ['code', () => pickled('cos\nsystem\n(S"echo hello"\ntR.'), /names the Python object "os\.system"/],
  ['a registered extension', () => pickled('\x82\x01.'), /opcode 0x82/],
  [
    'more entries than a network has',
    () => zip(Array.from({ length: 16_500 }, (_, i) => ({ name: `${i}.npy`, content: new Uint8Array(0) }))),
    /more than 16384 entries/,
  ],
  [
    'an entry that inflates to more than it says',
    () => {
      const plain = Buffer.alloc(2 ** 24);
      const crc = gzipSync(plain).readUInt32LE(gzipSync(plain).length - 8);
      return zip([{ name: 'bomb.npy', content: deflateRawSync(plain), method: 8, size: 128, crc }]);
    },
    /entry 'bomb\.npy' has more than the 128 bytes/,
  ],
  [
    'a name that a prototype has',
    () => pickled('(S"__proto__"\n', array, '(I1\n(I1\nt', float32, 'I00\nS"abcd"\ntbd.'),
    /^read 1$/,
  ],
  ['empty layers', () => Buffer.concat([layerWith(), many(field(2, ''), 2 ** 17)]), /first 131072 values/],
  [
    'numbers in pieces',
    () => layerWith(field(7, many(Buffer.concat([fixed32(5, 1), field(5, '')]), 2 ** 17))),
    /first 131072 places/,
  ],
  ['fields that nobody knows', () => Buffer.concat([layerWith(), many(varint(9, 1), 2 ** 22)]), /first 4194304 fields/],
  ['attributes', () => graphOf(many(field(1, field(5, field(1, 'a'))), 43_000)), /^read 0$/],
  ['tensors', () => graphOf(...manyTensors(65_000)), /^read 65000$/],
  ['short strings', () => graphOf(field(1, field(5, many(field(9, 'ab'), 2 ** 17)))), /first 131072 values/],
  ['short integers', () => graphOf(field(1, field(5, field(8, new Uint8Array(2 ** 23 + 1))))), /first 8388608 bytes/],
  ['many short integers', () => graphOf(field(1, field(5, field(8, new Uint8Array(2 ** 23))))), /^read 0$/],
  [
    'a string of 1 GiB',
    () => Buffer.concat([varint(1, 8), field(7, ''), Uint8Array.of(0x12, 0x80, 0x80, 0x80, 0x80, 4)]),
    /field 2 of 1073741824 bytes, 0 are left/,
  ],
];

/** Tensors of no elements. */
function manyTensors(count: number): readonly Uint8Array[] {
  const head = Buffer.concat([varint(1, 0), varint(2, 1)]);
  return Array.from({ length: count }, (_, i) => field(5, Buffer.concat([head, field(8, `${i}`)])));
}

t.test('files made to do harm, in a thread with 128 MB', async (t) => {
  for (const [what, bytes, message] of hostile) {
    const start = performance.now();
    const said = await new Promise<string>((resolve) => {
      const thread = new Worker(new URL('./support/readerThread.js', import.meta.url), {
        workerData: bytes(),
        execArgv: [],
        env: {},
        resourceLimits: { maxOldGenerationSizeMb: 128 },
      });
      thread.once('message', resolve);
      thread.once('error', (error) => resolve(`died of ${error.message}`));
    });
    t.match(said, message, what);
    if (!said.startsWith('read')) t.match(said, /^FileError: .*'hostile'/, `${what}: names the file`);
    const ms = performance.now() - start;
    t.ok(ms < 10_000, `${what}: ${ms.toFixed()} ms`);
  }
});
