// A tensor seen as rows, each the rows of its pieces one after another: element i of row r of a piece is element start + i of row r of
// the whole. Element: f32, or four of them where all lengths are multiples of 4; sizes are in these units.
#include "lib/grid.wgsl"

// count: elements of the piece. length: of a row of it. pitch: of a row of the whole.
struct Params { count: u32, length: u32, pitch: u32, start: u32 }

@group(0) @binding(0) var<uniform> params: Params;

// Where element `index` of the piece is in the whole.
fn placeInWhole(index: u32) -> u32 {
  let row = index / params.length;
  return row * params.pitch + params.start + (index - row * params.length);
}
