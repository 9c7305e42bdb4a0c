// A fully connected layer as a matrix product, y[n, o] = b[o] + Σ_k w[o, k] · x[n, k], with or without ReLU; its data gradient
// dx[n, k] = Σ_o dy[n, o] · w[o, k] and its weight gradient dw[o, k] = Σ_n dy[n, o] · x[n, k].
#include "lib/product.wgsl"
