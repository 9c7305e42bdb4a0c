import { readFile } from 'node:fs/promises';

/** A file of float32 in memory of its own. */
export async function readFloats(path: string): Promise<Float32Array<ArrayBuffer>> {
  const { buffer, byteOffset, byteLength } = await readFile(path);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
}
