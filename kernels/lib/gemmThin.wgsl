// lib/gemm.wgsl for products of few rows or few columns, where tiles of workgroup memory would be mostly padding: an invocation has 4 × 4
// elements of C in registers and loads what it needs. Invocations that the tile leaves over share out the depth: each adds up some
// k, then a tree adds their sums. The kernel has `rows` and `columns` of the product in its parameters.
const INVOCATIONS = 64u;
const ACROSS = TILE_COLUMNS / 4u;
const PLACES = TILE_ROWS / 4u * ACROSS;
const SHARES = INVOCATIONS / PLACES;

#if SHARED
// Four rows of each invocation.
var<workgroup> own: array<vec4<f32>, 4u * INVOCATIONS>;
#endif

fn multiplyTile(firstRow: u32, firstColumn: u32, firstK: u32, lastK: u32, local: u32) {
  let place = local % PLACES;
  let row = firstRow + 4u * (place / ACROSS);
  let column = firstColumn + 4u * (place % ACROSS);
  var rows: array<Row, 4>;
  var columns: array<Column, 4>;
  for (var i = 0u; i < 4u; i++) {
    rows[i] = rowOf(row + i);
    columns[i] = columnOf(column + i);
  }
  var sums: array<vec4<f32>, 4>;
  let end = select(firstK, lastK, row < params.rows && column < params.columns);
  for (var k = firstK + local / PLACES; k < end; k += SHARES) {
    let depth = depthOf(k);
    let right = vec4<f32>(loadB(depth, columns[0]), loadB(depth, columns[1]), loadB(depth, columns[2]), loadB(depth, columns[3]));
    for (var i = 0u; i < 4u; i++) { sums[i] += loadA(rows[i], depth) * right; }
  }
#if SHARED
  for (var i = 0u; i < 4u; i++) { own[i * INVOCATIONS + local] = sums[i]; }
  for (var half = INVOCATIONS / 2u; half >= PLACES; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      for (var i = 0u; i < 4u; i++) { own[i * INVOCATIONS + local] += own[i * INVOCATIONS + local + half]; }
    }
  }
  if (local >= PLACES) { return; }
  for (var i = 0u; i < 4u; i++) { sums[i] = own[i * INVOCATIONS + local]; }
#endif
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) { storeC(row + i, column + j, sums[i][j]); }
  }
}
