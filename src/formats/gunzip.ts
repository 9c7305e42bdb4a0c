/** Inflates a stream of gzip (RFC 1952), whose CRC-32 and size are checked at its end. */

export type Gunzip = (gzip: AsyncIterable<Uint8Array<ArrayBuffer>>) => AsyncGenerator<Uint8Array>;

/** Bytes that Node's zlib makes at one time. */
const chunkBytes = 2 ** 18;

/** By what is here: Node's own streams are faster than those of the web, and leave less behind. */
export const gunzip: Gunzip = (gzip) => (globalThis.process?.versions?.node ? gunzipInNode(gzip) : gunzipOnWeb(gzip));

export async function* gunzipInNode(gzip: AsyncIterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array> {
  const [{ pipeline, Readable }, { createGunzip }] = await Promise.all([import('node:stream'), import('node:zlib')]);
  // An error of either is one of the last, which is read here; when it is read no further, both end.
  yield* pipeline(Readable.from(gzip), createGunzip({ chunkSize: chunkBytes }), () => undefined);
}

export async function* gunzipOnWeb(gzip: AsyncIterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array> {
  const chunks = gzip[Symbol.asyncIterator]();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { value, done } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => void (await chunks.return?.()),
  });
  const reader = stream.pipeThrough(new DecompressionStream('gzip')).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
