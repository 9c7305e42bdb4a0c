// Places of lib/gemm.wgsl as plain indices, for kernels to which row, column and depth say where an element lies.
alias Row = u32;
alias Depth = u32;
alias Column = u32;
fn rowOf(row: u32) -> Row { return row; }
fn depthOf(k: u32) -> Depth { return k; }
fn columnOf(column: u32) -> Column { return column; }
