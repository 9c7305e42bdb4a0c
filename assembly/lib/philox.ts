/** Philox4x32-10 (Salmon et al. 2011, Parallel Random Numbers: As Easy as 1, 2, 3, §3.3), one block of four words. */
export function philox(c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): v128 {
  for (let round = 0; round < 10; round++) {
    const p0 = <u64>c0 * 0xd2511f53;
    const p1 = <u64>c2 * 0xcd9e8d57;
    c0 = <u32>(p1 >> 32) ^ c1 ^ k0;
    c1 = <u32>p1;
    c2 = <u32>(p0 >> 32) ^ c3 ^ k1;
    c3 = <u32>p0;
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  let words = i32x4.splat(c0);
  words = i32x4.replace_lane(words, 1, c1);
  words = i32x4.replace_lane(words, 2, c2);
  return i32x4.replace_lane(words, 3, c3);
}

/** Blocks c0 to c0 + 3 of a stream, to 64 bytes of memory: a vector holds the same word of all four. */
export function philoxBlocks(to: usize, c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  // Lane b of w0 to w3 is a word of block b.
  let w0 = i32x4.add(i32x4.splat(c0), i32x4(0, 1, 2, 3));
  let w1 = i32x4.splat(c1);
  let w2 = i32x4.splat(c2);
  let w3 = i32x4.splat(c3);
  const m0 = i32x4.splat(0xd2511f53);
  const m1 = i32x4.splat(0xcd9e8d57);
  for (let round = 0; round < 10; round++) {
    const p0 = i64x2.extmul_low_i32x4_u(w0, m0);
    const q0 = i64x2.extmul_high_i32x4_u(w0, m0);
    const p1 = i64x2.extmul_low_i32x4_u(w2, m1);
    const q1 = i64x2.extmul_high_i32x4_u(w2, m1);
    w0 = v128.xor(v128.xor(v128.shuffle<i32>(p1, q1, 1, 3, 5, 7), w1), i32x4.splat(k0));
    w1 = v128.shuffle<i32>(p1, q1, 0, 2, 4, 6);
    w2 = v128.xor(v128.xor(v128.shuffle<i32>(p0, q0, 1, 3, 5, 7), w3), i32x4.splat(k1));
    w3 = v128.shuffle<i32>(p0, q0, 0, 2, 4, 6);
    k0 += 0x9e3779b9;
    k1 += 0xbb67ae85;
  }
  const w01Low = v128.shuffle<i32>(w0, w1, 0, 4, 1, 5);
  const w23Low = v128.shuffle<i32>(w2, w3, 0, 4, 1, 5);
  const w01High = v128.shuffle<i32>(w0, w1, 2, 6, 3, 7);
  const w23High = v128.shuffle<i32>(w2, w3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(w01Low, w23Low, 0, 2));
  v128.store(to, v128.shuffle<f64>(w01Low, w23Low, 1, 3), 16);
  v128.store(to, v128.shuffle<f64>(w01High, w23High, 0, 2), 32);
  v128.store(to, v128.shuffle<f64>(w01High, w23High, 1, 3), 48);
}
