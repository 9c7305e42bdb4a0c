/** .npy and .npz files: what NumPy wrote, what NumPy would read, and what is refused. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { memorySource } from '../src/formats/byteSource.js';
import { readNpy } from '../src/formats/npy.js';
import { npyBytes, writeNpy } from '../src/formats/npyWriter.js';
import { readNpz } from '../src/formats/npz.js';
import { openTensors } from '../src/formats/openTensors.js';
import { fixturePath, sameAsExpected } from './support/fixtures.js';

const plain = ['f4', 'f4-fortran', 'f2-big', 'i8', 'version2', 'version3'];
const pickled = ['python2', 'ragged', ...[0, 1, 2, 3, 4, 5].map((protocol) => `protocol${protocol}`)];

t.test('arrays of NumPy', async (t) => {
  for (const name of [...plain, ...pickled]) {
    const file = await openTensors(fixturePath(`${name}.npy`));
    t.equal(file.format, 'npy');
    await sameAsExpected(t, file, `${name}.npy`);
    await file.close();
  }
});

t.test('archives of arrays, stored and deflated', async (t) => {
  for (const name of ['numpy.npz', 'numpy-compressed.npz']) {
    const file = await openTensors(fixturePath(name));
    t.equal(file.format, 'npz');
    await sameAsExpected(t, file, name);
    await file.close();
  }
});

t.test('a file written here has the bytes that NumPy writes', async (t) => {
  const shape = [2, 3, 4];
  const data = Float32Array.from({ length: 24 }, (_, i) => (((i * 37 + 22) % 64) - 32) / 8);
  const theirs = new Uint8Array(await readFile(fixturePath('f4.npy')));
  // NumPy leaves room for the first extent to grow, so its header is filled up another way.
  const ours = npyBytes(shape, data);
  t.same(ours.length, theirs.length);
  t.same(ours.subarray(-4 * data.length), theirs.subarray(-4 * data.length));
  const path = join(t.testdir(), 'written.npy');
  await writeNpy(path, shape, data);
  t.same(new Uint8Array(await readFile(path)), ours);
  for (const each of [shape, [24], [], [0, 3]]) {
    const values = data.subarray(
      0,
      each.reduce((product, extent) => product * extent, 1),
    );
    const file = await readNpy(memorySource(npyBytes(each, values)));
    t.same(
      [...file.tensors.values()].map((tensor) => tensor.shape),
      [each],
    );
    t.same(await file.read('the buffer'), values);
  }
  t.throws(() => npyBytes([2, 2], data), { name: 'ArgumentError', message: /\[2, 2\] needs 4 values, got 24/ });
});

t.test('floats come back bit for bit', async (t) => {
  const bits = new Uint32Array([0, 0x80000000, 1, 0x7f800001, 0xffc00000, 0x7f7fffff, 0xff800000, 0x3f800000]);
  const file = await readNpy(memorySource(npyBytes([8], new Float32Array(bits.buffer)), "'bits.npy'"));
  t.same(new Uint32Array((await file.read('bits')).buffer), bits);
});

t.test('all halves', async (t) => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
  const header = "{'descr': '<f2', 'fortran_order': False, 'shape': (65536,)}";
  const bytes = new Uint8Array(Buffer.concat([withHeader(header), new Uint8Array(all.buffer)]));
  const values = await (await readNpy(memorySource(bytes, 'all'))).read('all');
  // IEEE 754: a sign, five bits of exponent with bias 15, ten bits of fraction.
  const expected = (half: number) => {
    const [sign, exponent, fraction] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, (half & 1023) / 1024];
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return exponent ? sign * (1 + fraction) * 2 ** (exponent - 15) : sign * fraction * 2 ** -14;
  };
  t.same(
    [...all].filter((half) => !Object.is(values[half], expected(half))),
    [],
  );
});

/** A file with this header, as text, and these bytes behind it. */
function withHeader(header: string, data = 0): Uint8Array {
  const text = `\x93NUMPY\x01\x00${String.fromCharCode(header.length & 255, header.length >> 8)}${header}`;
  return Uint8Array.from(text.padEnd(text.length + data, '\0'), (character) => character.charCodeAt(0));
}

t.test('headers that are refused', async (t) => {
  const cases: readonly (readonly [header: string, data: number, message: RegExp])[] = [
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", 15, /\[2, 2\].* room for 3/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", 17, /takes 16 bytes, 17 follow/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740993, 2)}", 16, /tuple of integers/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2)}", 16, /integers from 0 on/],
    ["{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 8, /fortran_order/],
    ["{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8, /records/],
    ["{'descr': '<q4', 'fortran_order': False, 'shape': (2,)}", 8, /descr "<q4"/],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", 8, /no dictionary/],
    ["__import__('os')", 8, /no dictionary/],
    ['('.repeat(1000), 0, /no dictionary/],
    [`{'descr': '<f4', 'fortran_order': False, 'shape': (${'1, '.repeat(65)})}`, 4, /65 dimensions/],
  ];
  for (const [header, data, message] of cases) {
    await t.rejects(readNpy(memorySource(withHeader(header, data))), { name: 'FileError', message });
  }
  const accepted = "{\"descr\": '<f4', 'fortran_order': False, 'shape': (2L,), }  \n";
  t.same((await readNpy(memorySource(withHeader(accepted, 8)))).tensors.get('the buffer')?.shape, [2]);
});

t.test('files that are refused', async (t) => {
  await t.rejects(openTensors(fixturePath('records.npy')), { name: 'FileError', message: /records\.npy.*records/ });
  await t.rejects(openTensors(fixturePath('evil.npy')), {
    name: 'FileError',
    message: /evil\.npy': pickle, byte \d+: names the Python object "posix\.system", which is not loaded.*numpy\.savez/,
  });
});

t.test('entries of archives that are refused', async (t) => {
  const whole = new Uint8Array(await readFile(fixturePath('numpy.npz')));
  const changed = (change: (view: DataView, directory: number) => void): Promise<unknown> => {
    const bytes = whole.slice();
    const view = new DataView(bytes.buffer);
    change(view, view.getUint32(bytes.length - 6, true));
    return readNpz(memorySource(bytes, "'numpy.npz'"));
  };
  const cases: readonly (readonly [message: RegExp, change: (view: DataView, directory: number) => void])[] = [
    [/compressed by method 12/, (view, at) => view.setUint16(at + 10, 12, true)],
    [/two compression methods/, (view, at) => view.setUint16(at + 10, 8, true)],
    [/claims \d+ and 4096 bytes/, (view, at) => view.setUint32(at + 24, 4096, true)],
    [
      /ends at byte \d+, the archive has/,
      (view, at) => {
        view.setUint32(at + 20, 2 ** 24, true);
        view.setUint32(at + 24, 2 ** 24, true);
      },
    ],
    [
      /'f2\.npy' and 'f4\.npy' overlap/,
      (view, at) => {
        view.setUint32(at + 20, 500, true);
        view.setUint32(at + 24, 500, true);
      },
    ],
    [/no local header at byte 1$/, (view, at) => view.setUint32(at + 42, 1, true)],
    [/is encrypted/, (view, at) => view.setUint16(at + 8, 1, true)],
  ];
  for (const [message, change] of cases) await t.rejects(changed(change), { name: 'FileError', message });

  // The same for what is deflated: the claims are checked when the archive is opened or when the entry is read.
  const deflated = new Uint8Array(await readFile(fixturePath('numpy-compressed.npz')));
  const view = new DataView(deflated.buffer);
  const directory = view.getUint32(deflated.length - 6, true);
  const size = view.getUint32(directory + 24, true);
  view.setUint32(directory + 24, 2 ** 30, true);
  await t.rejects(readNpz(memorySource(deflated)), {
    name: 'FileError',
    message: /claims 1073741824 bytes, deflated to/,
  });
  view.setUint32(directory + 24, size, true);
  view.setUint32(directory + 16, view.getUint32(directory + 16, true) ^ 1, true);
  await t.rejects(
    readNpz(memorySource(deflated)).then((file) => file.read('f2')),
    { name: 'FileError', message: /tensor 'f2'.*entry 'f2\.npy' is not what was deflated/ },
  );
});
