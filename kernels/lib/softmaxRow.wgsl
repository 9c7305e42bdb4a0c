// What softmax needs to know of a row of x: its maximum m, and the sum of e^(x - m), which cannot overflow and is 1 at least.
#include "lib/exponential.wgsl"
#include "lib/lanes.wgsl"

struct RowSum { maximum: f32, sum: f32 }

// Of the elements of x from start to before end.
fn exponentialSum(start: u32, end: u32, lane: u32) -> RowSum {
  var largest = x[start];
  for (var i = start + lane; i < end; i += LANES) { largest = max(largest, x[i]); }
  let maximum = maximumOfLanes(largest, lane);
  var sum = 0.0;
  for (var i = start + lane; i < end; i += LANES) { sum += exponential(x[i] - maximum); }
  return RowSum(maximum, sumOfLanes(sum, lane));
}
