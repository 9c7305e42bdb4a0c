// Sum and maximum over the LANES invocations of a workgroup, a power of two, by a tree: always in the same order. All of them get the result.
var<workgroup> shares: array<f32, LANES>;

fn sumOfLanes(share: f32, lane: u32) -> f32 {
  // Whoever still reads the result before this has done so.
  workgroupBarrier();
  shares[lane] = share;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { shares[lane] += shares[lane + half]; }
  }
  workgroupBarrier();
  return shares[0];
}

fn maximumOfLanes(share: f32, lane: u32) -> f32 {
  workgroupBarrier();
  shares[lane] = share;
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { shares[lane] = max(shares[lane], shares[lane + half]); }
  }
  workgroupBarrier();
  return shares[0];
}
