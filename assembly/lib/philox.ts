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

/** Blocks c0 … c0 + 3, sixteen words, to memory: a lane works on a block. */
export function philoxLine(to: usize, c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  let a = i32x4.add(i32x4.splat(c0), i32x4(0, 1, 2, 3));
  let b = i32x4.splat(c1);
  let c = i32x4.splat(c2);
  let d = i32x4.splat(c3);
  let key0 = i32x4.splat(k0);
  let key1 = i32x4.splat(k1);
  const m0 = i32x4.splat(0xd2511f53);
  const m1 = i32x4.splat(0xcd9e8d57);
  for (let round = 0; round < 10; round++) {
    const p0 = i64x2.extmul_low_i32x4_u(a, m0);
    const q0 = i64x2.extmul_high_i32x4_u(a, m0);
    const p1 = i64x2.extmul_low_i32x4_u(c, m1);
    const q1 = i64x2.extmul_high_i32x4_u(c, m1);
    a = v128.xor(v128.xor(v128.shuffle<i32>(p1, q1, 1, 3, 5, 7), b), key0);
    b = v128.shuffle<i32>(p1, q1, 0, 2, 4, 6);
    c = v128.xor(v128.xor(v128.shuffle<i32>(p0, q0, 1, 3, 5, 7), d), key1);
    d = v128.shuffle<i32>(p0, q0, 0, 2, 4, 6);
    key0 = i32x4.add(key0, i32x4.splat(0x9e3779b9));
    key1 = i32x4.add(key1, i32x4.splat(0xbb67ae85));
  }
  const low0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const low1 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const high0 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const high1 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i32>(low0, low1, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<i32>(low0, low1, 2, 3, 6, 7), 16);
  v128.store(to, v128.shuffle<i32>(high0, high1, 0, 1, 4, 5), 32);
  v128.store(to, v128.shuffle<i32>(high0, high1, 2, 3, 6, 7), 48);
}
