// C[m, n] = Σ_k A[m, k] · B[k, n], where A and B may lie transposed.
#include "lib/product.wgsl"
