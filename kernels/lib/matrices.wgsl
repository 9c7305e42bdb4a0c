// Operands of lib/gemm.wgsl that lie in memory as matrices, row-major or transposed: `left` is A, `right` is B, read by fours under A_WIDE and
// B_WIDE. INT16: B holds pairs of int16.
//
// The kernel that includes this says in rowOf and columnOf where a row of A and a column of B begin, and has in its parameters how many elements
// lie from one place in depth to the next: leftDepth, rightDepth.
#if A_WIDE
@group(0) @binding(1) var<storage, read> left: array<vec4<f32>>;
#else
@group(0) @binding(1) var<storage, read> left: array<f32>;
#endif
#if INT16 && B_WIDE
@group(0) @binding(2) var<storage, read> right: array<vec2<u32>>;
#elif INT16
@group(0) @binding(2) var<storage, read> right: array<u32>;
#elif B_WIDE
@group(0) @binding(2) var<storage, read> right: array<vec4<f32>>;
#else
@group(0) @binding(2) var<storage, read> right: array<f32>;
#endif
@group(0) @binding(3) var<storage, read_write> product: array<f32>;
#if INT16
#include "lib/int16.wgsl"
#endif

alias Row = u32;
alias Depth = u32;
alias Column = u32;

fn depthOf(k: u32) -> Depth { return k; }

// Beyond the last row or column the last one is read again, or the last four that are read at once.
fn insideRows(row: u32) -> u32 { return min(row, params.rows - select(1u, 4u, A_WIDE && !A_ALONG_K)); }
fn insideColumns(column: u32) -> u32 { return min(column, params.columns - select(1u, 4u, B_WIDE && !B_ALONG_K)); }

#if A_WIDE
fn loadA4(row: Row, k: u32) -> vec4<f32> { return left[(row + k * params.leftDepth) / 4u]; }
#else
fn loadA(row: Row, k: Depth) -> f32 { return left[row + k * params.leftDepth]; }
#endif

#if B_WIDE
fn loadB4(k: u32, column: Column) -> vec4<f32> {
  let four = right[(column + k * params.rightDepth) / 4u];
#if INT16
  return fourOf(four);
#else
  return four;
#endif
}
#else
fn loadB(k: Depth, column: Column) -> f32 {
  let i = column + k * params.rightDepth;
#if INT16
  return int16(right[i / 2u], i % 2u);
#else
  return right[i];
#endif
}
#endif
