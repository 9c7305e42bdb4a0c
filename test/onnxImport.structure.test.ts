/** Structures of imported networks that stand in files of weights, which may be broken or a stranger's. */

import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { memorySource } from '../src/formats/byteSource.js';
import { modelFromStructure } from '../src/formats/onnxImport/definition.js';
import { importModel } from '../src/formats/onnxImport/import.js';
import { readOnnx } from '../src/formats/onnxModel.js';
import { FileError, importOnnx, openEngine, openWeights, preset, saveNetwork, writeSafetensors } from '../src/index.js';
import { fixturePath } from './support/fixtures.js';
import { onnxModels } from './support/onnxModels.js';

const engine = await openEngine({ backend: 'wasm', threads: 1 });
t.teardown(() => engine.close());

t.test('structures in files of weights that are broken', async (t) => {
  const { model, weights } = await importOnnx(fixturePath('torch-alexnet-opset13.onnx'));
  await using net = await engine.network(model, { weights });
  await weights.close();
  const path = join(t.testdir(), 'net.safetensors');
  await saveNetwork(net, path);
  const { file } = await openWeights(path);
  const { metadata } = file;
  const tensors = [];
  for (const { name, shape } of net.parameters) tensors.push({ name, shape, data: await net.read(name) });
  await file.close();
  const { structure } = metadata;
  const all = JSON.parse(structure);
  const changed = (changes: object) => JSON.stringify({ ...all, ...changes });
  const cases = [
    ['{', /'structure' in the metadata is not JSON/],
    ['null', /'structure' in the metadata lacks 'nodes' or has a wrong one/],
    [changed({ opset: 'x' }), /lacks 'opset'/],
    [changed({ tensors: [['a']] }), /lacks 'tensors'/],
    [changed({ constants: [['a', { shape: [2], values: [1] }]] }), /lacks 'constants'/],
    [changed({ inputs: [null] }), /lacks 'inputs'/],
    [changed({ nodes: [{ op: 'Relu' }] }), /lacks 'nodes'/],
    [changed({ nodes: [] }), /'structure' in the metadata: output 'scores' is computed by no node/],
    [changed({ logits: 'image' }), /is \[1, 3, 127, 127\] for a batch of 1, expected logits/],
    [
      changed({ inputShape: [3, 9, 9] }),
      /'structure' in the metadata: node '.*' \(MaxPool\): maxPool: the kernel \[3, 3\] is larger/,
    ],
    [structure.replace('"op":"GlobalAveragePool"', '"op":"__proto__"'), /\(__proto__\): there is no such op here/],
  ] as const;
  for (const [text, message] of cases) {
    await writeSafetensors(path, tensors, { ...metadata, structure: text });
    await t.rejects(openWeights(path), { name: 'FileError', message }, String(message));
  }
  t.equal(preset('alexnet').structure, undefined);
});

/** A JSON value with the nth of its parts, counted from the outside, replaced. */
function replaced(value: unknown, nth: { left: number }, other: unknown): unknown {
  if (nth.left-- === 0) return other;
  if (Array.isArray(value)) return value.map((each) => replaced(each, nth, other));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replaced(each, nth, other)]));
}

t.test('any part of a structure replaced by anything', async (t) => {
  const structures: unknown[] = [];
  for (const bytes of await onnxModels()) {
    const { model } = await importModel(await readOnnx(memorySource(bytes)));
    t.same(modelFromStructure(model.structure ?? '', 'the file').classes, model.classes);
    structures.push(JSON.parse(model.structure ?? ''));
  }
  let read = 0;
  const scalars = fc.oneof(fc.integer({ min: -2, max: 9 }), fc.integer(), fc.double(), fc.string(), fc.constant(null));
  const values = fc.oneof(scalars, fc.array(scalars, { maxLength: 9 }), fc.jsonValue());
  const property = fc.property(fc.nat(structures.length - 1), fc.nat(250), values, (which, at, other) => {
    const text = JSON.stringify(replaced(structures[which], { left: at }, other)) ?? '';
    const start = performance.now();
    try {
      modelFromStructure(text, "'fuzz'");
      read++;
    } catch (error) {
      if (!(error instanceof FileError) || !error.message.includes("'fuzz'")) throw error;
    }
    return performance.now() - start < 2000;
  });
  fc.assert(property, { numRuns: 600, seed: 3 });
  t.ok(read > 30 && read < 500, `${read} could be read`);
});
