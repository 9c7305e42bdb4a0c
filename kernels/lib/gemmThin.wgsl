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
#for i 4
  let row$i = rowOf(row + $iu);
  let column$i = columnOf(column + $iu);
  var sum$i = vec4<f32>();
#endfor
  let end = select(firstK, lastK, row < params.rows && column < params.columns);
  for (var k = firstK + local / PLACES; k < end; k += SHARES) {
    let depth = depthOf(k);
    let right = vec4<f32>(loadB(depth, column0), loadB(depth, column1), loadB(depth, column2), loadB(depth, column3));
#for i 4
    sum$i += loadA(row$i, depth) * right;
#endfor
  }
#if SHARED
#for i 4
  own[$iu * INVOCATIONS + local] = sum$i;
#endfor
  for (var half = INVOCATIONS / 2u; half >= PLACES; half /= 2u) {
    workgroupBarrier();
    if (local < half) {
      for (var i = local; i < 4u * INVOCATIONS; i += INVOCATIONS) { own[i] += own[i + half]; }
    }
  }
  if (local >= PLACES) { return; }
#for i 4
  sum$i = own[$iu * INVOCATIONS + local];
#endfor
#endif
  storeBlock(row, column, mat4x4<f32>(sum0, sum1, sum2, sum3));
}
