/** Zip archives: what zip.js has no part in. */
import { deflateRawSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { crc32 } from '../src/crc32.js';
import { memorySource, readBytes } from '../src/formats/byteSource.js';
import { inflateChecked, inflaterOfNode, inflaterOfWeb } from '../src/formats/inflate.js';
import { readZip } from '../src/formats/zip.js';
import { zip } from './support/zip.js';

const plain = new Uint8Array(3_000_000).map((_, i) => (i * i) >> 7);

async function allOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const packed = new Uint8Array(deflateRawSync(plain));
const expected = { crc: gzipSync(plain).subarray(-8).readUInt32LE(), size: plain.length };

for (const [name, inflater] of [
  ['Node', await inflaterOfNode()],
  ['the web', inflaterOfWeb],
] as const) {
  t.test(`inflating with the streams of ${name}`, async (t) => {
    let ended = 0;
    /** Each piece where the one before was. */
    async function* pieces(bytes: Uint8Array<ArrayBuffer>) {
      const room = new Uint8Array(10_000);
      try {
        for (let at = 0; at < bytes.length; at += room.length) {
          const piece = bytes.subarray(at, at + room.length);
          room.set(piece);
          yield room.subarray(0, piece.length);
        }
      } finally {
        ended++;
      }
    }
    const inflated = (bytes: Uint8Array<ArrayBuffer>, { crc, size } = expected) =>
      inflateChecked(inflater, pieces(bytes), { crc, size });
    t.ok((await allOf(inflated(packed))).equals(plain), 'all of it');
    t.equal(ended, 1);

    for await (const chunk of inflated(packed)) if (chunk.length > 0) break;
    for (let tries = 0; ended < 2 && tries < 1000; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
    t.equal(ended, 2, 'whoever reads no further ends the source');

    for (const bytes of [packed.slice(0, -1), packed.slice(0, packed.length / 2), plain.subarray(0, 1000)]) {
      await t.rejects(allOf(inflated(bytes)), Error);
    }
    await t.rejects(allOf(inflated(packed, { ...expected, crc: expected.crc ^ 1 })), /checksum/);
    async function* failing() {
      yield packed.slice(0, 1000);
      throw new RangeError('the disk is gone');
    }
    await t.rejects(allOf(inflateChecked(inflater, failing(), expected)), new RangeError('the disk is gone'));
  });
}

t.test('both have the same checksum', (t) => {
  t.equal(crc32(plain), expected.crc);
  t.equal(crc32(plain.subarray(1000), crc32(plain.subarray(0, 1000))), expected.crc, 'of two parts');
  t.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926, 'the check value of the catalogues of CRCs');
  t.end();
});

t.test('entries are read in place, or from the front on', async (t) => {
  const { crc } = expected;
  const archive = zip([
    { name: 'a', content: plain.subarray(0, 1000) },
    { name: 'b', content: packed, method: 8, size: plain.length, crc },
    { name: 'folder/', content: new Uint8Array(0) },
    { name: 'c', content: plain.subarray(5, 25), zip64: true },
    { name: 'd', content: packed, method: 8, size: plain.length, crc, zip64: true },
  ]);
  const [a, b, c, d] = await readZip(memorySource(archive));
  t.same(await readBytes(a.source, 10, 20), plain.subarray(10, 30));
  t.same(await readBytes(c.source, 0, 20), plain.subarray(5, 25), 'sizes in the Zip64 extra field');
  await t.rejects(a.source.read(990, new Uint8Array(11)), { name: 'FileError', message: /entry 'a' has 1000 bytes/ });
  for (const { source } of [b, d]) {
    // On, back, on, at once, and all of it.
    const places = [
      [0, 10],
      [2_000_000, 300_000],
      [50, 7],
      [2_999_999, 1],
      [1_000_000, 0],
    ];
    const read = await Promise.all(places.map(([offset, length]) => readBytes(source, offset, length)));
    for (const [i, [offset, length]] of places.entries()) {
      t.ok(Buffer.from(read[i]).equals(plain.subarray(offset, offset + length)), `${length} bytes from ${offset} on`);
    }
    t.ok(Buffer.from(await readBytes(source, 0, plain.length)).equals(plain));
    await source.close();
  }
});

t.test('claims that cannot be', async (t) => {
  const cases: readonly (readonly [entries: Parameters<typeof zip>[0], message: RegExp])[] = [
    [[{ name: 'a', content: plain.subarray(0, 9), size: 2 ** 40, zip64: true }], /claims 9 and 1099511627776 bytes/],
    [
      [{ name: 'a', content: packed, method: 8, size: 2 ** 50, zip64: true }],
      /claims 1125899906842624 bytes, deflated to/,
    ],
    [
      [
        { name: 'a', content: plain.subarray(0, 9) },
        { name: 'a', content: plain.subarray(0, 9) },
      ],
      /two entries 'a'/,
    ],
    [[{ name: 'a', content: packed, method: 12 }], /compressed by method 12/],
  ];
  for (const [entries, message] of cases) {
    await t.rejects(readZip(memorySource(zip(entries), "'a.zip'")), { name: 'FileError', message });
  }
  for (const size of [plain.length - 1, plain.length + 1]) {
    const [entry] = await readZip(memorySource(zip([{ name: 'a', content: packed, method: 8, size }])));
    await t.rejects(readBytes(entry.source, 0, size), { name: 'FileError', message: /entry 'a'/ });
    await t.resolves(readBytes(entry.source, 0, 100), 'its beginning can be read all the same');
    await entry.source.close();
  }
});
