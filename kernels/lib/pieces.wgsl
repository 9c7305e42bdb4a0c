// Rows of matrices as pieces that an invocation reads at once: vectors of four elements under WIDE, where every row has a whole number of
// them, else single elements.
#if WIDE
alias Piece = vec4<f32>;
fn sumOf(piece: Piece) -> f32 { return dot(piece, vec4<f32>(1.0)); }
#else
alias Piece = f32;
fn sumOf(piece: Piece) -> f32 { return piece; }
#endif
