// lib/gemm.wgsl for products of few elements and great depth: a workgroup has 4 × 4 elements of C. Each invocation adds up every 64th k of
// all of them, then a tree adds their sums.
const INVOCATIONS = 64u;

// Rows of the tile, of each invocation.
var<workgroup> own: array<vec4<f32>, 4u * INVOCATIONS>;

fn multiplyTile(firstRow: u32, firstColumn: u32, firstK: u32, lastK: u32, local: u32) {
  var rows: array<Row, 4>;
  var columns: array<Column, 4>;
  for (var i = 0u; i < 4u; i++) {
    rows[i] = rowOf(firstRow + i);
    columns[i] = columnOf(firstColumn + i);
  }
  var sums: array<vec4<f32>, 4>;
  for (var k = firstK + local; k < lastK; k += INVOCATIONS) {
    let depth = depthOf(k);
    let right = vec4<f32>(loadB(depth, columns[0]), loadB(depth, columns[1]), loadB(depth, columns[2]), loadB(depth, columns[3]));
    for (var i = 0u; i < 4u; i++) { sums[i] += loadA(rows[i], depth) * right; }
  }
  for (var i = 0u; i < 4u; i++) { own[i * INVOCATIONS + local] = sums[i]; }
  for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      for (var i = 0u; i < 4u; i++) { own[i * INVOCATIONS + local] += own[i * INVOCATIONS + local + half]; }
    }
  }
  workgroupBarrier();
  if (local < 16u) { storeC(firstRow + local / 4u, firstColumn + local % 4u, own[local / 4u * INVOCATIONS][local % 4u]); }
}
