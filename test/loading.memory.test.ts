/** Weights go from the file to where they stay: what a process needs beside them is no more than 64 MB, whatever has to be turned round. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, deflateRawSync } from 'node:zlib';
import t from 'tap';
import { crc32 } from '../src/crc32.js';
import { npyBytes } from '../src/formats/npyWriter.js';
import { inferenceGraph, preset, writeOnnx, writeSafetensors } from '../src/index.js';
import { elements } from '../src/ops/define.js';
import { emptyFolder } from './support/cli.js';
import { zip } from './support/zip.js';

const library = new URL('../lib/index.js', import.meta.url).href;
const measuring = new URL('../bench/memory.js', import.meta.url).href;
const model = preset('caffe-alexnet');
const parameters = inferenceGraph(model, 1).values.filter(({ kind }) => kind === 'variable');
const weightBytes = 4 * parameters.reduce((sum, { shape }) => sum + elements(shape), 0);

/** Bytes that were resident at most in a process that opens an engine and, of a file, a network. */
async function peakOf(file?: string): Promise<number> {
  const load = `loadNetwork(engine, ${JSON.stringify(file)}, { model: '${model.name}' })`;
  const script = `import { loadNetwork, openEngine } from '${library}';
    import { ownPeakRss } from '${measuring}';
    const engine = await openEngine({ backend: 'wasm', threads: 1 });
    ${file === undefined ? '' : `const net = await ${load}; if ((await net.read('fc8.bias'))[7] !== 0.25) throw new Error('not read');`}
    console.log(ownPeakRss());
    await engine.close();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  return Number(stdout);
}

/** What a network's weights are to a compressor: bytes of a fraction that are anything, beside few exponents. */
function noise(count: number): Float32Array {
  const some = Float32Array.from({ length: Math.min(count, 2 ** 16) }, (_, i) => Math.sin(i * i) / 100);
  const values = new Float32Array(count);
  for (let at = 0; at < count; at += some.length) values.set(some.subarray(0, count - at), at);
  return values;
}

t.test('a network of 233 MiB', async (t) => {
  const path = await emptyFolder(t);
  const filled = (shape: readonly number[]) => new Float32Array(elements(shape)).fill(0.25);
  const onnx = path('own.onnx');
  await writeOnnx(onnx, inferenceGraph(model, 1), async (name) => {
    return filled(parameters.find((parameter) => parameter.name === name)?.shape ?? []);
  });
  // As TensorFlow has them: H × W × I × O, and inputs before outputs.
  const inTensorFlow = parameters.map(({ name, shape }) => {
    const [layer, kind] = name.split('.');
    return {
      name: `${layer}/${kind === 'weight' ? 'weights' : 'biases'}`,
      shape: shape.length === 4 ? [shape[2], shape[3], shape[1], shape[0]] : [...shape].reverse(),
    };
  });
  const transposed = path('tensorflow.safetensors');
  await writeSafetensors(
    transposed,
    inTensorFlow.map(({ name, shape }) => ({ name, shape, data: async () => filled(shape) })),
  );
  const compressed = path('tensorflow.npz');
  await writeFile(
    compressed,
    zip(
      inTensorFlow.map(({ name, shape }) => {
        const array = npyBytes(shape, name.endsWith('weights') ? noise(elements(shape)) : filled(shape));
        // No more than NumPy makes it smaller, and in less time.
        const content = deflateRawSync(array, { strategy: constants.Z_HUFFMAN_ONLY });
        return { name: `${name}.npy`, content, method: 8, size: array.length, crc: crc32(array) };
      }),
    ),
  );
  const alone = await peakOf();
  for (const file of [onnx, transposed, compressed]) {
    const beside = (await peakOf(file)) - alone - weightBytes;
    t.comment(`${file}: ${(beside / 1e6).toFixed(1)} MB`);
    t.ok(beside > -64e6 && beside <= 64e6, `${beside} bytes beside the weights`);
  }
});
