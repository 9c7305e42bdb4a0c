import { readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { writeAtomically } from '../src/atomicFile.js';
import { ArgumentError, FileError } from '../src/errors.js';
import { openSafetensors, parseSafetensors, safetensorsChunks, writeSafetensors } from '../src/formats/safetensors.js';

const tensors = [
  { name: 'conv1.weight', shape: [2, 1, 1, 2], data: Float32Array.of(1, -2, 3.5, Number.NaN) },
  { name: 'conv1.bias', shape: [2], data: async () => Float32Array.of(0.1, Number.NEGATIVE_INFINITY) },
  { name: 'scalar', shape: [], data: () => Float32Array.of(-0) },
  { name: 'empty', shape: [0, 3], data: new Float32Array(0) },
];

/** A file of a header, any object or text, and `dataBytes` bytes. */
function fileOf(header: unknown, dataBytes: number): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + dataBytes);
  new DataView(file.buffer).setUint32(0, json.length, true);
  file.set(json, 8);
  return file;
}

t.test('what is written is read: from a file, from memory, into an array of the caller', async (t) => {
  const path = join(t.testdir(), 'net.safetensors');
  await writeSafetensors(path, tensors, { preset: 'caffe-alexnet', note: 'π “quoted”\n' });
  const fromFile = await openSafetensors(path);
  for (const file of [fromFile, await parseSafetensors(await readFile(path))]) {
    t.same(file.metadata, { preset: 'caffe-alexnet', note: 'π “quoted”\n' });
    t.same([...file.tensors.keys()], ['conv1.weight', 'conv1.bias', 'scalar', 'empty']);
    t.match(file.tensors.get('conv1.weight'), { shape: [2, 1, 1, 2], dtype: 'F32' });
    for (const { name, data } of tensors) {
      const wanted = typeof data === 'function' ? await data() : data;
      const found = await file.read(name);
      t.ok(found.length === wanted.length && found.every((value, i) => Object.is(value, wanted[i])), name);
    }
    const into = new Float32Array(4).subarray(1, 3);
    t.equal(await file.read('conv1.bias', into), into);
    t.same(into, Float32Array.of(0.1, Number.NEGATIVE_INFINITY));
    await t.rejects(file.read('conv1.bias', new Float32Array(3)), ArgumentError);
    await t.rejects(file.read('fc9.weight'), { name: 'FileError', message: /no tensor 'fc9\.weight'/ });
    await file.close();
  }
  await t.rejects(fromFile.read('scalar'), FileError, 'a closed file');
  const head = new DataView((await readFile(path)).buffer.slice(0, 8));
  t.equal(head.getUint32(0, true) % 8, 0, 'the data are aligned');
});

t.test('a page can make the same bytes', async (t) => {
  const path = join(t.testdir(), 'net.safetensors');
  await writeSafetensors(path, tensors);
  const chunks = [];
  for await (const chunk of safetensorsChunks(tensors)) chunks.push(chunk);
  t.same(Buffer.concat(chunks), await readFile(path));
});

t.test('a broken header is refused, and the message says what is wrong', async (t) => {
  const entry = (begin: number, end: number, more = {}) => ({
    dtype: 'F32',
    shape: [2],
    data_offsets: [begin, end],
    ...more,
  });
  const broken: [string, Uint8Array, RegExp][] = [
    ['too short', new Uint8Array(5), /5 bytes/],
    ['a header longer than the file', fileOf('{}', 0).fill(255, 0, 4), /header would take 4294967295 bytes, 2 follow/],
    ['an absurd length', new Uint8Array(64).fill(255), /header would take 18446744073709552000 bytes/],
    ['no JSON', fileOf('{"a":', 0), /header is not JSON/],
    ['no UTF-8', fileOf('{"a"}', 0).fill(0xc0, 10, 12), /header is not JSON/],
    ['a list', fileOf([], 0), /must be a JSON object/],
    [
      'metadata that are no strings',
      fileOf({ __metadata__: { a: 1 } }, 0),
      /__metadata__ must be an object of strings/,
    ],
    ['no object', fileOf({ w: 3 }, 0), /tensor 'w': the header must have an object/],
    ['unknown dtype', fileOf({ w: entry(0, 8, { dtype: 'F31' }) }, 8), /tensor 'w': dtype must be one of .* got "F31"/],
    ['no dtype', fileOf({ w: { shape: [2], data_offsets: [0, 8] } }, 8), /dtype/],
    ['negative extent', fileOf({ w: entry(0, 8, { shape: [-2] }) }, 8), /shape must be a list of integers, got \[-2\]/],
    ['fraction', fileOf({ w: entry(0, 8, { shape: [0.5, 4] }) }, 8), /shape/],
    [
      'no offsets',
      fileOf({ w: entry(0, 8, { data_offsets: [0] }) }, 8),
      /data_offsets must be two integers, got \[0\]/,
    ],
    [
      'offsets beside the shape',
      fileOf({ w: entry(0, 12) }, 12),
      /F32 \[2\] takes 8 bytes, data_offsets 0 to 12 do not/,
    ],
    ['backwards', fileOf({ w: entry(8, 0) }, 8), /takes 8 bytes/],
    ['overlap', fileOf({ v: entry(0, 8), w: entry(4, 12) }, 12), /'w' begin at byte 4, those before end at 8/],
    ['gap', fileOf({ v: entry(0, 8), w: entry(12, 20) }, 20), /'w' begin at byte 12, those before end at 8/],
    ['beyond the end', fileOf({ v: entry(0, 8) }, 7), /take 8 bytes, the file has 7/],
    ['trailing bytes', fileOf({ v: entry(0, 8) }, 9), /take 8 bytes, the file has 9/],
  ];
  const folder = t.testdir();
  for (const [what, bytes, message] of broken) {
    const path = join(folder, 'broken.safetensors');
    await writeFile(path, bytes);
    await t.rejects(openSafetensors(path), { name: 'FileError', message }, what);
    await t.rejects(openSafetensors(path), /broken\.safetensors/, 'it names the file');
    await t.rejects(parseSafetensors(bytes), { name: 'FileError', message }, `${what}, in memory`);
  }
});

t.test('other floats are read as float32, and what is no float is listed and refused', async (t) => {
  const values = [1.5, -0, 65504, 2 ** -24, -(2 ** -15), Number.POSITIVE_INFINITY, Number.NaN];
  const halves = [0x3e00, 0x8000, 0x7bff, 1, 0x8200, 0x7c00, 0x7e01];
  const brains = [0x3fc0, 0x8000, 0x4780, 0x3380, 0xb800, 0x7f80, 0x7fc0];
  const [count, from] = [values.length, 4 * values.length];
  const entry = (dtype: string, begin: number, end: number) => ({ dtype, shape: [count], data_offsets: [begin, end] });
  const entries = {
    half: entry('F16', 0, from / 2),
    brain: entry('BF16', from / 2, from),
    double: entry('F64', from, 3 * from),
    whole: entry('I64', 3 * from, 5 * from),
  };
  const bytes = fileOf(entries, 5 * from);
  const data = new DataView(bytes.buffer, bytes.length - 5 * from);
  for (const [i, bits] of [...halves, ...brains].entries()) data.setUint16(2 * i, bits, true);
  for (const [i, value] of values.entries()) data.setFloat64(from + 8 * i, value, true);
  const file = await parseSafetensors(bytes, 'x');
  t.same(await file.read('half'), Float32Array.from(values));
  t.same(
    await file.read('brain'),
    Float32Array.from(values, (value) => (value === 65504 ? 65536 : value)),
  );
  t.same(await file.read('double'), Float32Array.from(values));
  const part = new Float32Array(2);
  await file.readInto('half', part, 2);
  t.same(part, Float32Array.of(65504, 2 ** -24));
  t.match(file.tensors.get('whole'), { dtype: 'I64', shape: [count] });
  await t.rejects(file.read('whole'), new FileError("x: tensor 'whole' is I64, only F32, F16, BF16, F64 can be read"));
});

t.test('files that cannot be opened', async (t) => {
  const folder = t.testdir();
  await t.rejects(openSafetensors(join(folder, 'none')), {
    name: 'FileError',
    message: /cannot read '.*none': ENOENT/,
  });
  await t.rejects(openSafetensors(folder), { name: 'FileError', message: /not a regular file/ });
  const path = join(folder, 'cut.safetensors');
  await writeSafetensors(path, tensors);
  const file = await openSafetensors(path);
  await truncate(path, 8);
  await t.rejects(file.read('conv1.weight'), { name: 'FileError', message: /ends at byte/ }, 'truncated while open');
  await file.close();
});

t.test('a failed write leaves what was there, and nothing else', async (t) => {
  const folder = t.testdir({ 'net.safetensors': 'old' });
  const path = join(folder, 'net.safetensors');
  const failing = (data: () => Float32Array) =>
    writeSafetensors(path, [...tensors, { name: 'last', shape: [3], data }]);
  await t.rejects(
    failing(() => new Float32Array(2)),
    new ArgumentError("safetensors: tensor 'last' of shape [3] needs 3 values, got 2"),
  );
  await t.rejects(
    failing(() => {
      throw new RangeError('lost device');
    }),
    new RangeError('lost device'),
  );
  await t.rejects(writeSafetensors(path, [tensors[0], tensors[0]]), /name 'conv1\.weight' is used twice/);
  t.same(await readdir(folder), ['net.safetensors']);
  t.equal(await readFile(path, 'utf8'), 'old');
  await writeSafetensors(path, tensors);
  t.same(await readdir(folder), ['net.safetensors'], 'a later write replaces it');
  t.equal((await parseSafetensors(await readFile(path))).tensors.size, 4);
});

t.test('atomic writing follows links and replaces regular files only', async (t) => {
  const folder = t.testdir({ real: 'old', folder: {} });
  await symlink(join(folder, 'real'), join(folder, 'link'));
  await writeAtomically(join(folder, 'link'), async (write) => {
    await write(new TextEncoder().encode('new '));
    await write(new TextEncoder().encode('text'));
  });
  t.equal(await readFile(join(folder, 'real'), 'utf8'), 'new text');
  t.same((await readdir(folder)).sort(), ['folder', 'link', 'real']);
  const nothing = async () => undefined;
  await t.rejects(writeAtomically(join(folder, 'folder'), nothing), {
    name: 'FileError',
    message: /not a regular file/,
  });
  await t.rejects(writeAtomically('/dev/null', nothing), { name: 'FileError', message: /not a regular file/ });
  await t.rejects(writeAtomically(join(folder, 'none', 'x'), nothing), {
    name: 'FileError',
    message: /cannot write .*ENOENT/,
  });
  await t.rejects(writeAtomically(join(folder, 'real', 'x'), nothing), {
    name: 'FileError',
    message: /cannot write .*ENOTDIR/,
  });
});
