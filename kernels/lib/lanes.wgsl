// Sum and maximum over the LANES invocations of a workgroup, a power of two, always in the same order. All of them get the result. By a tree in
// workgroup memory, or with SUBGROUPS by those of the adapter, whatever their size and whichever invocations they are made of: each leaves
// its own result in workgroup memory, and reads those of all.
var<workgroup> shares: array<f32, LANES>;

#if SUBGROUPS
#include "lib/subgroup.wgsl"

fn sumOfLanes(share: f32, lane: u32) -> f32 {
  let own = subgroupAdd(share);
  let place = placeInSubgroup();
  // Whoever still reads the result before this has done so.
  workgroupBarrier();
  shares[lane] = select(0.0, own, place.rank == 0u);
  workgroupBarrier();
  var sum = 0.0;
  for (var i = place.rank; i < LANES; i += place.count) { sum += shares[i]; }
  return subgroupAdd(sum);
}

fn maximumOfLanes(share: f32, lane: u32) -> f32 {
  let own = subgroupMax(share);
  let place = placeInSubgroup();
  workgroupBarrier();
  shares[lane] = own;
  workgroupBarrier();
  var maximum = own;
  for (var i = place.rank; i < LANES; i += place.count) { maximum = max(maximum, shares[i]); }
  return subgroupMax(maximum);
}
#else
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
#endif
