import { readFile } from 'node:fs/promises';
import t from 'tap';
import { FileError } from '../src/errors.js';
import { memorySource, openSource } from '../src/formats/byteSource.js';
import { openMeanImage, readCaffemodel, readMeanImage } from '../src/formats/caffe.js';
import { looksLikeCaffemodel, looksLikeOnnx } from '../src/formats/protobufKind.js';
import { fixturePath, ruled } from './support/fixtures.js';
import { field, fixed32, varint } from './support/protobuf.js';

/** As make_caffe.py has it: weights and bias of a layer are drawn from seeds that follow each other. */
const net: readonly (readonly [name: string, weights: readonly number[], bias: readonly number[]])[] = [
  ['conv1', [4, 3, 3, 3], [4]],
  ['conv2', [6, 2, 3, 3], [6]],
  ['fc6', [8, 24], [8]],
  ['fc8', [5, 8], [5]],
];

/** Four extents, as old files have them. */
function legacy(shape: readonly number[]): readonly number[] {
  return [...new Array(4 - shape.length).fill(1), ...shape];
}

t.test('layers of all generations, packed and not, as protoc writes them', async (t) => {
  for (const [file, old] of [
    ['v0.caffemodel', true],
    ['v1.caffemodel', true],
    ['v2.caffemodel', false],
    ['unpacked.caffemodel', false],
  ] as const) {
    const source = await openSource(fixturePath(file));
    t.ok((await looksLikeCaffemodel(source)) && !(await looksLikeOnnx(source)), file);
    const model = await readCaffemodel(source);
    const more = { 'v0.caffemodel': [], 'v1.caffemodel': ['fc8/2'] }[file as string] ?? ['inception/1x1/0'];
    t.same([...model.tensors.keys()], [...net.flatMap(([name]) => [`${name}/0`, `${name}/1`]), ...more], 'names');
    t.same(model.metadata, file === 'v0.caffemodel' ? {} : { name: 'narrow' });
    for (const [i, [name, ...shapes]] of net.entries()) {
      for (const [j, shape] of shapes.entries()) {
        const tensor = `${name}/${j}`;
        const dtype = !old && name === 'fc6' ? 'F64' : 'F32';
        t.match(model.tensors.get(tensor), { shape: old ? legacy(shape) : shape, dtype }, tensor);
        const wanted = ruled(shape, 10 * i + j);
        t.same(await model.read(tensor), wanted, tensor);
        const part = new Float32Array(2);
        await model.readInto(tensor, part, 1);
        t.same(part, wanted.slice(1, 3), `a part of ${tensor}`);
      }
    }
    if (!old)
      t.same([model.tensors.get('inception/1x1/0')?.shape, await model.read('inception/1x1/0')], [[], ruled([], 70)]);
    await model.close();
  }
});

t.test('the mean image', async (t) => {
  const path = fixturePath('mean.binaryproto');
  t.same(await openMeanImage(path), { shape: [3, 5, 6], data: ruled([3, 5, 6], 50) });
  await t.rejects(openMeanImage(fixturePath('v1.caffemodel')), {
    name: 'FileError',
    message: /v1\.caffemodel': num at byte 0/,
  });
  const source = await openSource(path);
  t.notOk((await looksLikeCaffemodel(source)) || (await looksLikeOnnx(source)), 'is no model');
  await t.rejects(readCaffemodel(source), {
    name: 'FileError',
    message: /mean\.binaryproto': name at byte 0 has wire type 0/,
  });
  await source.close();
  const flat = memorySource(blob([6], 6));
  await t.rejects(
    readMeanImage(flat),
    new FileError('the buffer has a blob [6], expected a mean image [1, C, H, W] or [C, H, W]'),
  );
});

/** A BlobProto of a shape and so many numbers. */
function blob(shape: readonly number[], count: number): Uint8Array {
  return Buffer.concat([
    field(7, Buffer.concat(shape.map((extent) => varint(1, extent)))),
    field(5, new Uint8Array(4 * count)),
  ]);
}

function layer(name: string, ...blobs: readonly Uint8Array[]): Uint8Array {
  return field(100, Buffer.concat([field(1, name), ...blobs.map((bytes) => field(7, bytes))]));
}

t.test('numbers in several pieces are read as one tensor', async (t) => {
  const values = Float32Array.from({ length: 9 }, (_, i) => i);
  const piece = (from: number, to: number) => field(5, new Uint8Array(values.buffer, 4 * from, 4 * (to - from)));
  const bytes = Buffer.concat([
    piece(0, 2),
    ...[2, 3, 4].map((i) => fixed32(5, values[i])),
    piece(5, 5),
    piece(5, 8),
    fixed32(5, values[8]),
    field(7, varint(1, 9)),
  ]);
  const model = await readCaffemodel(memorySource(layer('a', bytes)));
  t.same(await model.read('a/0'), values);
  for (let from = 0; from < 9; from++) {
    for (let to = from; to <= 9; to++) {
      const part = new Float32Array(to - from);
      await model.readInto('a/0', part, from);
      t.same(part, values.slice(from, to), `${from} to ${to}`);
    }
  }
});

t.test('numbers with tags between them, more than one window', async (t) => {
  const count = 60_000;
  const one = fixed32(5, 0);
  const bytes = Buffer.alloc(one.length * count);
  for (let i = 0; i < count; i++) {
    bytes.set(one, one.length * i);
    bytes.writeFloatLE(i, one.length * i + 1);
  }
  const model = await readCaffemodel(memorySource(layer('a', Buffer.concat([bytes, field(7, varint(1, count))]))));
  t.same(
    await model.read('a/0'),
    Float32Array.from({ length: count }, (_, i) => i),
  );
});

t.test('what no net can be is refused, and the message says where', async (t) => {
  const broken: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /no caffemodel with weights: none of its layers has blobs/],
    ['text', Buffer.from('name: "CaffeNet"\nlayer {'), /the message at byte 0 has a field 13 of wire type 6/],
    ['fewer numbers', layer('a', blob([2, 3], 5)), /blob 'a\/0' at byte \d+ has 5 numbers, its shape \[2, 3\] needs 6/],
    [
      'more numbers',
      layer('a', blob([2], 2), blob([], 2)),
      /blob 'a\/1' at byte \d+ has 2 numbers, its shape \[\] needs 1/,
    ],
    ['no whole numbers', layer('a', field(5, new Uint8Array(6))), /has 1\.5 numbers/],
    [
      'a negative extent',
      layer('a', blob([-1], 0)),
      /blob 'a\/0' at byte \d+: the shape must be integers from 0 on, got \[-1\]/,
    ],
    [
      'overflow',
      layer('a', blob([2 ** 40, 2 ** 40, 0], 0)),
      /shape \[1099511627776, 1099511627776, 0\] has more elements than can be counted/,
    ],
    ['many axes', layer('a', blob(new Array(65).fill(1), 1)), /65 dimensions, known are up to 64/],
    [
      'two of one name',
      Buffer.concat([layer('a', blob([], 1)), layer('a', blob([], 1))]),
      /has two layers 'a' with blobs/,
    ],
    [
      'a shape twice',
      layer('a', Buffer.concat([blob([], 1), blob([], 1)])),
      /layer\[0\]\.blobs\[0\]\.shape at byte \d+ is there a second/,
    ],
    ['a name that is a number', varint(1, 5), /name at byte 0 has wire type 0, expected 2/],
    ['a name that is no text', field(1, Uint8Array.of(0xff)), /name at byte 0 is no UTF-8/],
    ['a group', Uint8Array.of(0x0b), /the message at byte 0 has a field 1 of wire type 3, expected 0, 1, 2 or 5/],
    ['a field 0', Uint8Array.of(0x02, 0), /the message at byte 0 has a field 0, which cannot be/],
    [
      'a long integer',
      new Uint8Array(11).fill(0x80),
      /byte 0 has an integer that does not end within it, or not within 10 bytes/,
    ],
    ['half an integer', Uint8Array.of(0x20, 0x80), /byte 1 has an integer that does not end within it/],
    [
      'beyond its layer',
      field(100, Uint8Array.of(0x0a, 9, 65)),
      /layer\[0\] at byte 3 has a field 1 of 9 bytes, 1 are left for it$/,
    ],
    ['a negative length', Uint8Array.of(0x0a, ...new Array(9).fill(0xff), 1), /has a field 1 of -1 bytes/],
  ];
  for (const [what, bytes, message] of broken) {
    await t.rejects(readCaffemodel(memorySource(bytes, "'x'")), { name: 'FileError', message }, what);
  }
  const whole = await readFile(fixturePath('v1.caffemodel'));
  const cut = memorySource(whole.subarray(0, 1000), "'cut'");
  await t.rejects(
    readCaffemodel(cut),
    /'cut': the message at byte \d+ has a field 2 of \d+ bytes, \d+ are left for it: the file is cut short/,
  );
  t.ok(await looksLikeCaffemodel(cut), 'one that is cut short is told as what it is');
});
