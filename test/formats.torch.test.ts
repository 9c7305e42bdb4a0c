/** Files of torch.save, in both of its layouts. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { memorySource } from '../src/formats/byteSource.js';
import { openTensors } from '../src/formats/openTensors.js';
import { readTorch } from '../src/formats/torch.js';
import { fixturePath, sameAsExpected } from './support/fixtures.js';

t.test('state_dicts, checkpoints, nested dictionaries', async (t) => {
  const names = ['', '-legacy', '-protocol4', '-checkpoint', '-checkpoint-legacy', '-nested', '-mixed', '-tensor'];
  for (const name of [...names, '-big-endian']) {
    const fixture = `torch${name}.pth`;
    const file = await openTensors(fixturePath(fixture));
    t.equal(file.format, 'torch');
    await sameAsExpected(t, file, fixture);
    await file.close();
  }
});

t.test('what is no dictionary of tensors is refused by its name', async (t) => {
  for (const layout of ['', '-legacy']) {
    await t.rejects(openTensors(fixturePath(`torch-module${layout}.pth`)), {
      name: 'FileError',
      message:
        /"torch\.nn\.modules\.container\.Sequential", which is not loaded.*torch\.save\(model\.state_dict\(\), FILE\)/,
    });
  }
  await t.rejects(openTensors(fixturePath('torch-script.pt')), {
    name: 'FileError',
    message: /TorchScript.*state_dict/,
  });
  await t.rejects(openTensors(fixturePath('torch-expanded.pth')), {
    name: 'FileError',
    message: /tensor 'expanded'.*share memory: save a \.contiguous\(\) copy/,
  });
});

t.test('a legacy file that ends too early, or has too much in its storages', async (t) => {
  const whole = new Uint8Array(await readFile(fixturePath('torch-legacy.pth')));
  await t.rejects(readTorch(memorySource(whole.subarray(0, -1), "'cut.pth'")), {
    name: 'FileError',
    message: /'cut\.pth': storage '\d+' would take \d+ bytes from byte \d+ on/,
  });
  const claimed = whole.slice();
  // The storage with the scalar 2.5: its number of elements, then the elements.
  const scalar = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x40]);
  const at = claimed.findIndex((_, i) => scalar.every((byte, k) => claimed[i + k] === byte));
  t.ok(at > 0, 'the storage was found');
  claimed[at + 6] = 255;
  await t.rejects(readTorch(memorySource(claimed)), { name: 'FileError', message: /would take 2\d+ bytes/ });
  claimed[at + 6] = 0;
  claimed[at] = 0;
  await t.rejects(readTorch(memorySource(claimed)), { name: 'FileError' });
});
