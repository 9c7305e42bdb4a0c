/** What this runtime and this machine offer. */

/** A module of one function that uses f32x4.relaxed_madd: valid only where relaxed SIMD is. */
const relaxedProbe = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0, // header
  1,
  8,
  1,
  96,
  3,
  123,
  123,
  123,
  1,
  123, // type: (v128, v128, v128) → v128
  3,
  2,
  1,
  0, // one function of that type
  10,
  13,
  1,
  11,
  0,
  32,
  0,
  32,
  1,
  32,
  2,
  253,
  133,
  2,
  11, // local.get 0, 1, 2; f32x4.relaxed_madd
);

/** A module of one function that returns a v128: valid only where SIMD is. */
const simdProbe = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  5,
  1,
  96,
  0,
  1,
  123,
  3,
  2,
  1,
  0,
  10,
  8,
  1,
  6,
  0,
  65,
  0,
  253,
  17,
  11,
);

export function simdAvailable(): boolean {
  return WebAssembly.validate(simdProbe);
}

export function relaxedSimdAvailable(): boolean {
  return WebAssembly.validate(relaxedProbe);
}

/** Shared memory needs, in a page, the headers that make it cross-origin isolated. */
export function sharedMemoryAvailable(): boolean {
  const isolated = (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated;
  return typeof SharedArrayBuffer !== 'undefined' && isolated !== false;
}

export function inNode(): boolean {
  return typeof process !== 'undefined' && process.versions?.node !== undefined;
}

/**
 * Turns on relaxed SIMD in Node versions that keep it behind a V8 flag (Node 20), for the whole process and its workers.
 * Commands call this; the library does only when asked for `simd: 'relaxed'`.
 *
 * @returns whether relaxed SIMD is available now
 */
export async function enableRelaxedSimd(): Promise<boolean> {
  if (!relaxedSimdAvailable() && inNode()) {
    const { setFlagsFromString } = await import('node:v8');
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  }
  return relaxedSimdAvailable();
}

export async function availableCores(): Promise<number> {
  const cores = inNode() ? (await import('node:os')).availableParallelism() : navigator.hardwareConcurrency;
  return Math.max(1, cores ?? 1);
}

/** Where memory can be shared: one for each core; beyond sixteen they are rarely worth their barriers. */
export async function defaultThreads(): Promise<number> {
  return Math.min(16, await availableCores());
}
