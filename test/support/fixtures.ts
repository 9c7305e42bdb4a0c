/** Files in test/fixtures/formats that others wrote, and what their own libraries see in them. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { TensorFile } from '../../src/formats/tensorFile.js';
import { elements } from '../../src/ops/define.js';

interface Expected {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Of float types, row-major. */
  readonly values?: readonly number[];
}

export function fixturePath(file: string): string {
  return fileURLToPath(new URL(`../../../test/fixtures/formats/${file}`, import.meta.url));
}

const expected = JSON.parse(await readFile(fixturePath('expected.json'), 'utf8')) as Record<
  string,
  Record<string, Expected>
>;

/** Asserts names in order, types, shapes and values, also of a tensor that is read from its middle on. */
export async function sameAsExpected(t: Test, file: TensorFile, fixture: string): Promise<void> {
  const wanted = Object.entries(expected[fixture]);
  t.same(
    [...file.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    wanted.map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
    fixture,
  );
  for (const [name, { values }] of wanted) {
    if (!values)
      await t.rejects(file.read(name), { name: 'FileError', message: /only F32, F16, BF16, F64 can be read/ });
    else {
      t.same([...(await file.read(name))], values, `${fixture}: ${name}`);
      const half = Math.floor(values.length / 2);
      const part = new Float32Array(Math.min(3, values.length - half));
      await file.readInto(name, part, half);
      t.same([...part], values.slice(half, half + part.length), `${fixture}: ${name} from ${half} on`);
    }
  }
}

/** Multiples of 1/64 that every type of floats holds. */
export function ruled(shape: readonly number[], seed: number): Float32Array {
  return Float32Array.from({ length: elements(shape) }, (_, i) => (((i * 37 + seed * 101) % 255) - 127) / 64);
}
