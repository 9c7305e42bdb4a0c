/** Formats are told by the bytes of a file, whatever its name is. */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { memorySource } from '../src/formats/byteSource.js';
import { npyBytes } from '../src/formats/npyWriter.js';
import { openTensors, readTensors } from '../src/formats/openTensors.js';
import { fuzzedFormats } from './fuzz/formats.js';
import { metered } from './fuzz/meter.js';
import { fixturePath } from './support/fixtures.js';

async function formatOf(bytes: Uint8Array): Promise<string> {
  return (await readTensors(memorySource(bytes))).format;
}

t.test('each format is known by its bytes', async (t) => {
  const own = fuzzedFormats.find(({ name }) => name === 'safetensors');
  const [whole] = (await own?.files()) ?? [];
  t.equal(await formatOf(whole), 'safetensors');
  const files = [
    ['f4.npy', 'npy'],
    ['numpy.npz', 'npz'],
    ['torch.pth', 'torch'],
    ['torch-legacy.pth', 'torch'],
    ['v1.caffemodel', 'caffemodel'],
    ['v2.caffemodel', 'caffemodel'],
    ['zoo.onnx', 'onnx'],
  ];
  for (const [file, format] of files) t.equal(await formatOf(await readFile(fixturePath(file))), format, file);

  const brace = new Uint8Array(await readFile(fixturePath('zoo.onnx')));
  brace[8] = 0x7b; // within the name of its producer, where the JSON of safetensors would begin
  t.equal(await formatOf(brace), 'onnx');

  const blob = new Blob([npyBytes([2], new Float32Array([1, 2]))]);
  t.same(await (await openTensors(blob)).read('the blob'), new Float32Array([1, 2]), 'a Blob of a page');
});

t.test('a source is closed by its file, and stays open when it is none', async (t) => {
  const stranger = metered(memorySource(Buffer.from('neither fish nor fowl'), "'stranger.npy'"));
  await t.rejects(readTensors(stranger), { name: 'FileError', message: /^'stranger\.npy' is no file of weights/ });
  t.notOk(stranger.closed);
  const known = metered(memorySource(npyBytes([0], new Float32Array(0))));
  await (await readTensors(known)).close();
  t.ok(known.closed);
  await t.rejects(readTensors(memorySource(new Uint8Array(0))), { name: 'FileError', message: /no file of weights/ });
  const empty = new Uint8Array(22);
  empty.set([0x50, 0x4b, 5, 6]);
  await t.rejects(readTensors(memorySource(empty)), { name: 'FileError', message: /zip archive with neither/ });
});

t.test('the script that times reading', async (t) => {
  const script = fileURLToPath(new URL('../bench/exchange/reading.js', import.meta.url));
  const run = (...args: string[]) => promisify(execFile)(process.execPath, [script, ...args]);
  const own = fileURLToPath(new URL('../../models/cifar10-quick.safetensors', import.meta.url));
  const files = [fixturePath('numpy-compressed.npz'), own];
  const { stdout } = await run(...files, '--rounds', '2', '--json', '-');
  const { results } = JSON.parse(stdout) as { results: Record<string, unknown>[] };
  t.match(results, [
    { file: 'numpy-compressed.npz', format: 'npz', warmMs: Number, tensorsRatio: Number },
    { file: 'cifar10-quick.safetensors', format: 'safetensors', bytes: (await stat(own)).size },
  ]);
  t.notOk('networkMs' in results[0]);
  const network = await run(own, '--model', 'cifar10-quick', '--rounds', '1');
  t.match(network.stdout, /tensors ms +ratio +network ms +ratio\n.*\ncifar10-quick\.safetensors +safetensors/);
  await t.rejects(run('nothing.npz'), { code: 2, stderr: /cannot read 'nothing\.npz'/ });
});
