// Stores 4 × 4 elements of a product, given by rows.
fn storeBlock(row: u32, column: u32, sums: mat4x4<f32>) {
  for (var i = 0u; i < 4u; i++) {
    let sum = sums[i];
    storeC(row + i, column, sum.x);
    storeC(row + i, column + 1u, sum.y);
    storeC(row + i, column + 2u, sum.z);
    storeC(row + i, column + 3u, sum.w);
  }
}
