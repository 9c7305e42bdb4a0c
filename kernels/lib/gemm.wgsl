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
// Constants: TILE_ROWS, TILE_COLUMNS and TILE_DEPTH; an invocation has 4·ROW_VECTORS × 4·COLUMN_VECTORS elements of C in registers, and loads
// A_LOADS and B_LOADS vectors of each operand's tile. A_ALONG_K, B_ALONG_K: whether neighbours in memory are neighbours along k, and so what
// neighbouring invocations load. A_WIDE, B_WIDE: the operand is read by fours that lie in one piece of memory, along k or across it:
//   loadA4(row: Row, k: u32) -> vec4<f32>, loadB4(k: u32, column: Column) -> vec4<f32>
// instead of loadA and loadB; all extents along which they lie, and firstK and lastK, are then multiples of 4.
// THIN: lib/gemmThin.wgsl instead, for few elements.
#include "lib/storeBlock.wgsl"

#if THIN
#include "lib/gemmThin.wgsl"
#else

const ACROSS = TILE_COLUMNS / (4u * COLUMN_VECTORS);
const DOWN = TILE_ROWS / (4u * ROW_VECTORS);
const INVOCATIONS = ACROSS * DOWN;
const A_VECTORS = TILE_ROWS / 4u;
const B_VECTORS = TILE_COLUMNS / 4u;
// One vector more than a line has: writes of neighbouring k then fall on different memory banks.
const A_PITCH = A_VECTORS + 1u;
const B_PITCH = B_VECTORS + 1u;

var<workgroup> tileA: array<vec4<f32>, A_PITCH * TILE_DEPTH>;
var<workgroup> tileB: array<vec4<f32>, B_PITCH * TILE_DEPTH>;

// Where a load is within the tile: vector and depth; row (or column) and depth for a vector along k.
fn placeOfLoad(index: u32, vectors: u32, alongK: bool, wide: bool) -> vec2<u32> {
  const QUADS = TILE_DEPTH / 4u;
  if (alongK && wide) { return vec2<u32>(index / QUADS, index % QUADS * 4u); }
  if (alongK) { return vec2<u32>(index / TILE_DEPTH, index % TILE_DEPTH); }
  return vec2<u32>(index % vectors, index / vectors);
}

// All arguments but `local`, the invocation's index, are the same for the whole workgroup. Sums k from firstK to before lastK.
fn multiplyTile(firstRow: u32, firstColumn: u32, firstK: u32, lastK: u32, local: u32) {
#for i A_LOADS
  let placeA$i = placeOfLoad(local + $iu * INVOCATIONS, A_VECTORS, A_ALONG_K, A_WIDE);
#if A_WIDE
  let row$i = rowOf(firstRow + select(4u, 1u, A_ALONG_K) * placeA$i.x);
#else
#for j 4
  let row$i$j = rowOf(firstRow + 4u * placeA$i.x + $ju);
#endfor
#endif
#endfor
#for i B_LOADS
  let placeB$i = placeOfLoad(local + $iu * INVOCATIONS, B_VECTORS, B_ALONG_K, B_WIDE);
#if B_WIDE
  let column$i = columnOf(firstColumn + select(4u, 1u, B_ALONG_K) * placeB$i.x);
#else
#for j 4
  let column$i$j = columnOf(firstColumn + 4u * placeB$i.x + $ju);
#endfor
#endif
#endfor

  let x = local % ACROSS;
  let y = local / ACROSS;
#for m ROW_VECTORS
#for n COLUMN_VECTORS
#for j 4
  var sum$m$n$j = vec4<f32>();
#endfor
#endfor
#endfor
  // A round loads one tile of each operand into registers and multiplies the one before it: memory and arithmetic overlap.
  for (var tile = firstK; tile < lastK + TILE_DEPTH; tile += TILE_DEPTH) {
#for i A_LOADS
    var a$i = vec4<f32>();
    if (tile + placeA$i.y < lastK) {
#if A_WIDE
      a$i = loadA4(row$i, tile + placeA$i.y);
#else
      let k = depthOf(tile + placeA$i.y);
      a$i = vec4<f32>(loadA(row$i0, k), loadA(row$i1, k), loadA(row$i2, k), loadA(row$i3, k));
#endif
    }
#endfor
#for i B_LOADS
    var b$i = vec4<f32>();
    if (tile + placeB$i.y < lastK) {
#if B_WIDE
      b$i = loadB4(tile + placeB$i.y, column$i);
#else
      let k = depthOf(tile + placeB$i.y);
      b$i = vec4<f32>(loadB(k, column$i0), loadB(k, column$i1), loadB(k, column$i2), loadB(k, column$i3));
#endif
    }
#endfor
    if (tile > firstK) {
      for (var k = 0u; k < TILE_DEPTH; k++) {
#for n COLUMN_VECTORS
        let right$n = tileB[k * B_PITCH + x + $nu * ACROSS];
#endfor
#for m ROW_VECTORS
        let left$m = tileA[k * A_PITCH + y + $mu * DOWN];
#for n COLUMN_VECTORS
        sum$m$n0 += left$m.x * right$n;
        sum$m$n1 += left$m.y * right$n;
        sum$m$n2 += left$m.z * right$n;
        sum$m$n3 += left$m.w * right$n;
#endfor
#endfor
      }
    }
    workgroupBarrier();
#for i A_LOADS
#if A_WIDE && A_ALONG_K
#for j 4
    tileA[(placeA$i.y + $ju) * A_PITCH + placeA$i.x / 4u][placeA$i.x % 4u] = a$i[$j];
#endfor
#else
    tileA[placeA$i.y * A_PITCH + placeA$i.x] = a$i;
#endif
#endfor
#for i B_LOADS
#if B_WIDE && B_ALONG_K
#for j 4
    tileB[(placeB$i.y + $ju) * B_PITCH + placeB$i.x / 4u][placeB$i.x % 4u] = b$i[$j];
#endfor
#else
    tileB[placeB$i.y * B_PITCH + placeB$i.x] = b$i;
#endif
#endfor
    workgroupBarrier();
  }

#for m ROW_VECTORS
#for n COLUMN_VECTORS
  storeBlock(firstRow + 4u * (y + $mu * DOWN), firstColumn + 4u * (x + $nu * ACROSS), mat4x4<f32>(sum$m$n0, sum$m$n1, sum$m$n2, sum$m$n3));
#endfor
#endfor
}
#endif
