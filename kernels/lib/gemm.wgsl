// A tile of the matrix product C[row][column] = Σ_k A[row][k]·B[k][column], computed by one workgroup.
//
// The kernel that includes this says what the matrices are:
//   rowOf(row) -> Row, depthOf(k) -> Depth, columnOf(column) -> Column    where a place lies; types of the kernel's own
//   loadA(row: Row, k: Depth) -> f32, loadB(k: Depth, column: Column) -> f32
//   storeC(row: u32, column: u32, value: f32)
// Loads beyond the last row or column give any finite number, stores there do nothing. Depths beyond the last are never
// loaded. Row and Column are worked out once, Depth once for four elements, so divisions by a shape belong there. Where
// nothing needs working out, lib/gemmPlaces.wgsl has them as plain indices.
//
// Constants: TILE_ROWS, TILE_COLUMNS and TILE_DEPTH; an invocation has 4·ROW_VECTORS × 4·COLUMN_VECTORS elements of C in
// registers. A_ALONG_K, B_ALONG_K: whether neighbours in memory are neighbours along k, and so what neighbouring
// invocations load. A whole number of vectors of each operand falls to an invocation. THIN: lib/gemmThin.wgsl instead, for few elements.
#if THIN
#include "lib/gemmThin.wgsl"
#else

const ACROSS = TILE_COLUMNS / (4u * COLUMN_VECTORS);
const DOWN = TILE_ROWS / (4u * ROW_VECTORS);
const INVOCATIONS = ACROSS * DOWN;
const A_VECTORS = TILE_ROWS / 4u;
const B_VECTORS = TILE_COLUMNS / 4u;
const A_LOADS = A_VECTORS * TILE_DEPTH / INVOCATIONS;
const B_LOADS = B_VECTORS * TILE_DEPTH / INVOCATIONS;
// One vector more than a line has: writes of neighbouring k then fall on different memory banks.
const A_PITCH = A_VECTORS + 1u;
const B_PITCH = B_VECTORS + 1u;

var<workgroup> tileA: array<vec4<f32>, A_PITCH * TILE_DEPTH>;
var<workgroup> tileB: array<vec4<f32>, B_PITCH * TILE_DEPTH>;

// Vector and depth, within the tile, of a load: [vector, depth].
fn placeOfLoad(index: u32, vectors: u32, alongK: bool) -> vec2<u32> {
  if (alongK) { return vec2<u32>(index / TILE_DEPTH, index % TILE_DEPTH); }
  return vec2<u32>(index % vectors, index / vectors);
}

// All arguments but `local`, the invocation's index, are the same for the whole workgroup. Sums k from firstK to before lastK.
fn multiplyTile(firstRow: u32, firstColumn: u32, firstK: u32, lastK: u32, local: u32) {
  var rows: array<Row, 4u * A_LOADS>;
  var columns: array<Column, 4u * B_LOADS>;
  for (var i = 0u; i < A_LOADS; i++) {
    let row = firstRow + 4u * placeOfLoad(local + i * INVOCATIONS, A_VECTORS, A_ALONG_K).x;
    for (var j = 0u; j < 4u; j++) { rows[4u * i + j] = rowOf(row + j); }
  }
  for (var i = 0u; i < B_LOADS; i++) {
    let column = firstColumn + 4u * placeOfLoad(local + i * INVOCATIONS, B_VECTORS, B_ALONG_K).x;
    for (var j = 0u; j < 4u; j++) { columns[4u * i + j] = columnOf(column + j); }
  }

  let x = local % ACROSS;
  let y = local / ACROSS;
  var sums: array<vec4<f32>, 4u * ROW_VECTORS * COLUMN_VECTORS>;
  var a: array<vec4<f32>, A_LOADS>;
  var b: array<vec4<f32>, B_LOADS>;
  // A round loads one tile of each operand into registers and multiplies the one before it: memory and arithmetic overlap.
  for (var tile = firstK; tile < lastK + TILE_DEPTH; tile += TILE_DEPTH) {
    for (var i = 0u; i < A_LOADS; i++) {
      let k = tile + placeOfLoad(local + i * INVOCATIONS, A_VECTORS, A_ALONG_K).y;
      a[i] = vec4<f32>();
      if (k < lastK) {
        let depth = depthOf(k);
        a[i] = vec4<f32>(
          loadA(rows[4u * i], depth), loadA(rows[4u * i + 1u], depth), loadA(rows[4u * i + 2u], depth), loadA(rows[4u * i + 3u], depth),
        );
      }
    }
    for (var i = 0u; i < B_LOADS; i++) {
      let k = tile + placeOfLoad(local + i * INVOCATIONS, B_VECTORS, B_ALONG_K).y;
      b[i] = vec4<f32>();
      if (k < lastK) {
        let depth = depthOf(k);
        b[i] = vec4<f32>(
          loadB(depth, columns[4u * i]), loadB(depth, columns[4u * i + 1u]), loadB(depth, columns[4u * i + 2u]), loadB(depth, columns[4u * i + 3u]),
        );
      }
    }
    if (tile > firstK) {
      for (var k = 0u; k < TILE_DEPTH; k++) {
        var right: array<vec4<f32>, COLUMN_VECTORS>;
        for (var n = 0u; n < COLUMN_VECTORS; n++) { right[n] = tileB[k * B_PITCH + x + n * ACROSS]; }
        for (var m = 0u; m < ROW_VECTORS; m++) {
          let left = tileA[k * A_PITCH + y + m * DOWN];
          for (var n = 0u; n < COLUMN_VECTORS; n++) {
            let sum = 4u * (m * COLUMN_VECTORS + n);
            sums[sum] += left.x * right[n];
            sums[sum + 1u] += left.y * right[n];
            sums[sum + 2u] += left.z * right[n];
            sums[sum + 3u] += left.w * right[n];
          }
        }
      }
    }
    workgroupBarrier();
    for (var i = 0u; i < A_LOADS; i++) {
      let place = placeOfLoad(local + i * INVOCATIONS, A_VECTORS, A_ALONG_K);
      tileA[place.y * A_PITCH + place.x] = a[i];
    }
    for (var i = 0u; i < B_LOADS; i++) {
      let place = placeOfLoad(local + i * INVOCATIONS, B_VECTORS, B_ALONG_K);
      tileB[place.y * B_PITCH + place.x] = b[i];
    }
    workgroupBarrier();
  }

  for (var m = 0u; m < ROW_VECTORS; m++) {
    for (var n = 0u; n < COLUMN_VECTORS; n++) {
      let row = firstRow + 4u * (y + m * DOWN);
      let column = firstColumn + 4u * (x + n * ACROSS);
      for (var i = 0u; i < 4u; i++) {
        let sum = sums[4u * (m * COLUMN_VECTORS + n) + i];
        storeC(row + i, column, sum.x);
        storeC(row + i, column + 1u, sum.y);
        storeC(row + i, column + 2u, sum.z);
        storeC(row + i, column + 3u, sum.w);
      }
    }
  }
}
#endif
