import { copyFile, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import t from 'tap';
import { FileError } from '../src/errors.js';
import { memorySource, openSource } from '../src/formats/byteSource.js';
import { type OnnxModel, type OnnxTensor, openOnnx, readOnnx } from '../src/formats/onnxModel.js';
import { openTensors } from '../src/formats/openTensors.js';
import { looksLikeCaffemodel, looksLikeOnnx } from '../src/formats/protobufKind.js';
import { fixturePath, ruled } from './support/fixtures.js';
import { field, fixed32, integer, varint } from './support/protobuf.js';

function initializer({ initializers }: OnnxModel, name: string): OnnxTensor {
  const found = initializers.get(name);
  if (!found) throw new Error(`no initializer '${name}'`);
  return found;
}

t.test('tensors are read from wherever a file has them', async (t) => {
  const model = await openOnnx(fixturePath('storages.onnx'));
  const shape = [3, 2, 5];
  const floats = [
    ['raw_f32', 'F32', 1],
    ['raw_f16', 'F16', 2],
    ['raw_f64', 'F64', 3],
    ['raw_bf16', 'BF16', 5],
    ['float_data', 'F32', 6],
    ['double_data', 'F64', 7],
    ['half_data', 'F16', 8],
    ['brain_data', 'BF16', 9],
  ] as const;
  for (const [name, dtype, seed] of floats) {
    t.match(model.initializers.get(name), { name, dtype, shape });
    const wanted = ruled(shape, seed);
    t.same(await initializer(model, name).floats(), wanted, name);
    t.same(await model.file.read(name), wanted, `${name}, of the file`);
    for (const [from, to] of [
      [7, 30],
      [0, 3],
      [3, 9],
      [5, 5],
      [9, 10],
    ]) {
      const part = new Float32Array(to - from);
      await model.file.readInto(name, part, from);
      t.same(part, wanted.slice(from, to), `${name} from ${from} to ${to}`);
    }
  }
  const integers = {
    int64_data: ['I64', [0, -1, 300, 2 ** 40, -(2 ** 53) + 1]],
    int32_data: ['I32', [7, -7, -(2 ** 31)]],
    uint64_data: ['U64', [3, 2 ** 50]],
    raw_i64: ['I64', [1, -2, 2 ** 40]],
    raw_i32: ['I32', [-3, 4]],
    raw_i8: ['I8', [-128, 127]],
    raw_bool: ['BOOL', [1, 0]],
  } as const;
  for (const [name, [dtype, values]] of Object.entries(integers)) {
    t.match(model.initializers.get(name), { dtype, shape: [values.length] });
    t.same(await initializer(model, name).integers(), values, name);
    const message = new RegExp(`storages.onnx': tensor '${name}' at byte \\d+ is ${dtype}, expected floats`);
    await t.rejects(initializer(model, name).floats(), { name: 'FileError', message });
  }
  t.same(await model.file.read('scalar'), Float32Array.of(0.5));
  t.match(model.initializers.get('scalar'), { shape: [] });
  t.same(await model.file.read('empty'), new Float32Array(0));
  t.match(model.initializers.get('empty'), { shape: [0, 4] });
  t.match(model.initializers.get('words'), { dtype: 'STRING', shape: [2] });
  await t.rejects(initializer(model, 'words').integers(), /'words' .* is STRING, expected integers/);
  await t.rejects(initializer(model, 'scalar').integers(), /'scalar' .* is F32, expected integers/);
  t.equal(model.initializers.size, floats.length + Object.keys(integers).length + 3);
  t.same([...model.file.tensors.keys()], [...model.initializers.keys()]);
  await model.close();
});

t.test('a model in the form of the zoo: initializers that are inputs, IR version 3', async (t) => {
  const path = fixturePath('zoo.onnx');
  const model = await openOnnx(path);
  t.match(model, { label: `'${path}'`, irVersion: 3, opset: 9, graphName: 'zoo' });
  t.same(model.inputs, [{ name: 'data_0', dtype: 'F32', shape: [1, 3, 7, 7] }]);
  t.same(model.outputs, [{ name: 'prob_1', dtype: 'F32', shape: [1, 5] }]);
  t.same(
    model.nodes.map(({ opType }) => opType),
    ['Conv', 'Relu', 'LRN', 'Reshape', 'Gemm', 'Softmax'],
  );
  t.same(model.nodes[0], {
    name: '',
    opType: 'Conv',
    domain: '',
    inputs: ['data_0', 'conv1_w_0', 'conv1_b_0'],
    outputs: ['conv1_1'],
    attributes: new Map([
      ['kernel_shape', { kind: 'ints', value: [3, 3] }],
      ['pads', { kind: 'ints', value: [0, 0, 0, 0] }],
      ['strides', { kind: 'ints', value: [2, 2] }],
    ]),
  });
  t.same(model.nodes[2].attributes.get('alpha'), { kind: 'float', value: Math.fround(1e-4) });
  t.same(model.nodes[2].attributes.get('size'), { kind: 'int', value: 5 });
  t.same(await model.file.read('conv1_w_0'), ruled([4, 3, 3, 3], 20));
  t.same(await initializer(model, 'OC2_DUMMY_1').integers(), [1, 36]);
  t.same(Object.entries(model.metadata).sort(), [
    ['__proto__', 'an ordinary key'],
    ['labels', 'α,b'],
  ]);
  t.equal(Object.getPrototypeOf(model.metadata), Object.prototype);
  await model.close();
  await t.rejects(model.file.read('conv1_w_0'), FileError, 'a closed model');
});

t.test('attributes of every kind, inputs of any extent', async (t) => {
  const model = await readOnnx(memorySource(await readFile(fixturePath('attributes.onnx'))));
  const constants = model.nodes.slice(0, 6).map(({ attributes }) => [...attributes]);
  const [[[, tensor]], ...others] = constants;
  t.match(tensor, { kind: 'tensor', value: { shape: [2, 3], dtype: 'F32' } });
  if (tensor.kind === 'tensor') t.same(await tensor.value.floats(), ruled([2, 3], 30));
  t.same(others, [
    [['value_floats', { kind: 'floats', value: [0.25, -1.5] }]],
    [['value_ints', { kind: 'ints', value: [3, -4, 2 ** 40] }]],
    [['value_float', { kind: 'float', value: 0.125 }]],
    [['value_string', { kind: 'string', value: 'NOTSET' }]],
    [['value_strings', { kind: 'strings', value: ['π', 'b'] }]],
  ]);
  t.match(model.nodes[6], { name: 'clip', inputs: ['x', '', 'c4'], outputs: ['y'] });
  t.match(model.nodes[7], {
    opType: 'Custom',
    domain: 'com.example',
    attributes: new Map([['body', { kind: 'other' }]]),
  });
  t.same(model.inputs, [{ name: 'x', dtype: 'F32', shape: ['batch', undefined, 8] }]);
  t.same(model.outputs, [{ name: 'z', dtype: 'F16', shape: [] }]);
  t.equal(model.opset, 13, "that of ONNX's own operators, not of another domain");
});

t.test('tensors in a file beside the model', async (t) => {
  const model = await openOnnx(fixturePath('external.onnx'));
  t.same(await model.file.read('w'), ruled([4, 6], 40));
  t.same(await initializer(model, 'b').floats(), ruled([6], 41));
  const part = new Float32Array(3);
  await model.file.readInto('w', part, 20);
  t.same(part, ruled([4, 6], 40).slice(20, 23));
  await model.close();

  const bytes = await readFile(fixturePath('external.onnx'));
  await t.rejects(readOnnx(memorySource(bytes, "'m'")), {
    name: 'FileError',
    message:
      /^'m': tensor 'w' at byte \d+ has its data in 'external\.bin', a file beside the model: open the model by its path$/,
  });
  const folder = join(t.testdir(), 'model');
  await mkdir(folder);
  const path = join(folder, 'external.onnx');
  const opens = async (location: string, offset?: string, length?: string) => {
    const pairs = Object.entries({ location, offset, length }).filter(([, value]) => value !== undefined);
    const data = pairs.map(([key, value]) => field(13, Buffer.concat([field(1, key), field(2, value ?? '')])));
    await writeFile(path, modelWith(tensor([2], varint(14, 1), ...data)));
    const opened = await openOnnx(path);
    try {
      return await opened.file.read('w');
    } finally {
      await opened.close();
    }
  };
  const refused = (location: string, message: RegExp, ...more: string[]) =>
    t.rejects(opens(location, ...more), { name: 'FileError', message }, JSON.stringify(location));
  await refused(
    'w.bin',
    /external\.onnx': tensor 'w' at byte \d+ has its data in 'w\.bin', which cannot be read: ENOENT/,
  );
  const outside = join(dirname(folder), 'outside.bin');
  for (const file of [join(folder, 'w.bin'), outside]) await writeFile(file, Float32Array.of(1, 2, 3, 4));
  t.same(await opens('w.bin'), Float32Array.of(1, 2));
  t.same(await opens('./w.bin', '8', '8'), Float32Array.of(3, 4));
  for (const location of ['../outside.bin', outside, 'x/../w.bin', 'x\\w.bin', 'w.bin\0', '']) {
    await refused(location, /expected a path relative to the model's folder and inside it/);
  }
  await symlink(outside, join(folder, 'link.bin'));
  await refused('link.bin', /leads out of the model's folder/);
  await symlink(join(folder, 'w.bin'), join(folder, 'inner.bin'));
  t.same(await opens('inner.bin'), Float32Array.of(1, 2), 'a link that stays inside');
  await mkdir(join(folder, 'sub'));
  await copyFile(join(folder, 'w.bin'), join(folder, 'sub', 'w.bin'));
  t.same(await opens('sub/w.bin', '4'), Float32Array.of(2, 3), 'a folder below');
  await refused('sub', /is no regular file/);
  await refused('.', /leads out of the model's folder/);
  await refused(
    'w.bin',
    /F32 \[2\] of 8 bytes, its external data are 8 from byte 12 of '.*w\.bin', which has 16/,
    '12',
  );
  await refused('w.bin', /its external data are 4 from byte 0/, '0', '4');
  await refused('w.bin', /has external_data\.offset '-8', expected a number of bytes/, '-8');
  await refused('w.bin', /has external_data\.length '9999999999999999', expected/, '0', '9999999999999999');
  await writeFile(
    path,
    modelWith(tensor([2], varint(14, 1), field(13, Buffer.concat([field(1, 'location'), field(2, 'w.bin')])))),
  );
  const shrinking = await openOnnx(path);
  await truncate(join(folder, 'w.bin'), 4);
  await t.rejects(shrinking.file.read('w'), {
    name: 'FileError',
    message: /tensor 'w': '.*w\.bin' has 4 bytes, expected 8/,
  });
  await shrinking.close();
});

/** A TensorProto 'w' of floats. */
function tensor(dims: readonly number[], ...fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...dims.map((extent) => varint(1, extent)), varint(2, 1), field(8, 'w'), ...fields]);
}

/** A model whose graph has some initializers. */
function modelWith(...tensors: readonly Uint8Array[]): Buffer {
  return model(field(7, Buffer.concat(tensors.map((bytes) => field(5, bytes)))));
}

function model(...fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat([varint(1, 8), field(8, varint(2, 13)), ...fields]);
}

t.test('integers and floats in several pieces, and more of them than a window takes', async (t) => {
  const count = 100_000;
  const wanted = Array.from({ length: count }, (_, i) => (i % 3 === 0 ? -i : i * 1000));
  const pieces = [field(7, Buffer.concat(wanted.slice(0, 5).map(integer))), varint(7, wanted[5])];
  const rest = field(7, Buffer.concat(wanted.slice(6).map(integer)));
  const bytes = modelWith(
    Buffer.concat([varint(1, count), varint(2, 7), field(8, 'i'), ...pieces, rest]),
    tensor([3], fixed32(4, 1), field(4, Buffer.from(Float32Array.of(2, 3).buffer))),
  );
  const opened = await readOnnx(memorySource(bytes));
  t.same(await initializer(opened, 'i').integers(), wanted);
  t.same(await initializer(opened, 'w').floats(), Float32Array.of(1, 2, 3));
});

t.test('what is broken is refused, and the message says where', async (t) => {
  const [empty, ints] = [field(7, ''), (...fields: Uint8Array[]) => [varint(2, 7), field(8, 'i'), ...fields]];
  const integers = (dims: number, ...data: number[]) =>
    modelWith(Buffer.concat([varint(1, dims), ...ints(field(7, Buffer.concat(data.map(integer))))]));
  const broken: [string, Uint8Array, RegExp][] = [
    ['nothing', new Uint8Array(0), /'x' is no ONNX model, or is cut short: it has no graph/],
    ['no graph', model(), /it has no graph/],
    ['two graphs', model(empty, empty), /graph at byte \d+ is there a second time/],
    [
      'an old version',
      Buffer.concat([varint(1, 2), field(8, varint(2, 13)), empty]),
      /ir_version 2, expected 3 or newer/,
    ],
    ['no operators', Buffer.concat([varint(1, 8), empty]), /imports ONNX's operators of versions \[\], expected one/],
    ['two versions', model(empty, field(8, Buffer.concat([field(1, 'ai.onnx'), varint(2, 9)]))), /versions \[13, 9\]/],
    ['sparse', model(field(7, field(15, ''))), /sparse_initializer/],
    [
      'no name',
      modelWith(Buffer.concat([varint(2, 1), varint(1, 0)])),
      /graph\.initializer\[0\] at byte \d+ has no name/,
    ],
    ['one name twice', modelWith(tensor([0]), tensor([0])), /has two initializers 'w'/],
    ['no type', modelWith(field(8, 'w')), /tensor 'w' at byte \d+ has data_type 0/],
    [
      'a negative extent',
      modelWith(tensor([-2])),
      /tensor 'w' at byte \d+: the shape must be integers from 0 on, got \[-2\]/,
    ],
    [
      'too large',
      modelWith(tensor([2 ** 30, 2 ** 30, 0])),
      /shape \[1073741824, 1073741824, 0\] has more elements than/,
    ],
    ['no data', modelWith(tensor([2])), /is F32 \[2\] and has 0 floats, expected 2/],
    ['fewer floats', modelWith(tensor([2], fixed32(4, 1))), /is F32 \[2\] and has 1 floats, expected 2/],
    [
      'fewer bytes',
      modelWith(tensor([2], field(9, new Uint8Array(7)))),
      /F32 \[2\] and has raw_data of 7 bytes, expected 8/,
    ],
    ['data twice', modelWith(tensor([1], field(9, new Uint8Array(4)), fixed32(4, 1))), /has its data twice/],
    ['raw data twice', modelWith(tensor([1], field(9, ''), field(9, ''))), /has its raw_data in 2 pieces/],
    ['a segment', modelWith(tensor([0], field(3, ''))), /is a segment/],
    [
      'too many integers',
      integers(1, 1, 2, 300, 4, 5, 6, 7, 8, 9, 10, 11),
      /I64 \[1\] and has 12 bytes of integers, expected 1/,
    ],
    ['too few integers', integers(3, 1, 2), /I64 \[3\] and has 2 bytes of integers, expected 3/],
    ['raw data of no bytes', modelWith(tensor([1], varint(9, 1))), /rawData at byte \d+ has wire type 0, expected 2/],
    [
      'two attributes of a name',
      model(field(7, field(1, Buffer.concat([field(4, 'Relu'), field(5, ''), field(5, '')])))),
      /node 0 \(Relu\) at byte \d+ has two attributes ''/,
    ],
    [
      'a tensor that is none',
      model(field(7, field(1, field(5, varint(20, 4))))),
      /attribute '' of node 0 at byte \d+ has no tensor/,
    ],
  ];
  for (const [what, bytes, message] of broken) {
    await t.rejects(readOnnx(memorySource(bytes, "'x'")), { name: 'FileError', message }, what);
  }
  const unread: [string, Uint8Array, RegExp][] = [
    ['fewer than it says', integers(3, 1, 300), /'x' has 2 integers up to byte \d+, expected 3/],
    ['more than it says', integers(2, 1, 2, 3), /'x' has more than 2 integers up to byte \d+/],
    [
      'one that does not end',
      modelWith(Buffer.concat([varint(1, 2), ...ints(field(7, Uint8Array.of(1, 128)))])),
      /'x' has an integer at byte \d+ that does not end/,
    ],
  ];
  for (const [what, bytes, message] of unread) {
    const opened = await readOnnx(memorySource(bytes, "'x'"));
    await t.rejects(initializer(opened, 'i').integers(), { name: 'FileError', message }, what);
  }
});

t.test('a file that is cut short, or larger than a model can be', async (t) => {
  const whole = await readFile(fixturePath('zoo.onnx'));
  const path = join(t.testdir(), 'cut.onnx');
  await writeFile(path, whole.subarray(0, 900));
  await t.rejects(openOnnx(path), {
    name: 'FileError',
    message:
      /cut\.onnx': the message at byte \d+ has a field 7 of \d+ bytes, \d+ are left for it: the file is cut short/,
  });
  await truncate(path, 2 ** 31);
  await t.rejects(openOnnx(path), {
    name: 'FileError',
    message: /has 2147483648 bytes, an ONNX file has at most 2147483647/,
  });
});

t.test('ONNX models are known by their first fields', async (t) => {
  for (const name of ['storages.onnx', 'zoo.onnx', 'attributes.onnx', 'external.onnx']) {
    const source = await openSource(fixturePath(name));
    t.ok((await looksLikeOnnx(source)) && !(await looksLikeCaffemodel(source)), name);
    await source.close();
  }
  const cut = memorySource((await readFile(fixturePath('zoo.onnx'))).subarray(0, 500));
  t.ok((await looksLikeOnnx(cut)) && !(await looksLikeCaffemodel(cut)), 'one that is cut short');
  const others = {
    nothing: '',
    text: 'name: "CaffeNet"\ninput: "data"\n',
    json: '{"a": 1}',
    zip: 'PK\x03\x04\x14\0\0\0',
    zeros: '\0'.repeat(100),
    npy: '\x93NUMPY\x01\0',
    pickle: '\x80\x02}q\0.',
  };
  for (const [what, text] of Object.entries(others)) {
    const source = memorySource(Buffer.from(text, 'latin1'));
    t.notOk((await looksLikeOnnx(source)) || (await looksLikeCaffemodel(source)), what);
  }
});

t.test('openTensors opens what is in protobuf', async (t) => {
  const formats = {
    'zoo.onnx': 'onnx',
    'external.onnx': 'onnx',
    'v1.caffemodel': 'caffemodel',
    'v2.caffemodel': 'caffemodel',
  };
  const wanted = {
    'zoo.onnx': ['conv1_b_0', ruled([4], 21)],
    'external.onnx': ['w', ruled([4, 6], 40)],
    'v1.caffemodel': ['conv1/1', ruled([4], 1)],
    'v2.caffemodel': ['conv1/1', ruled([4], 1)],
  } as const;
  for (const [name, [tensor, values]] of Object.entries(wanted)) {
    const file = await openTensors(fixturePath(name));
    t.equal(file.format, formats[name as keyof typeof formats]);
    t.same(await file.read(tensor), values, name);
    await file.close();
  }
  await t.rejects(openTensors(fixturePath('mean.binaryproto')), /mean\.binaryproto' is no file of weights/);
});
