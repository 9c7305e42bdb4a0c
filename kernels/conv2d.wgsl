// y[n, o, i, j] = b[o] + Σ_(c, u, v) w[o, c, u, v] · x[n, c, i·s + u·d − top, j·s + v·d − left], with or without ReLU; and its data gradient,
// which is a convolution of dy with the transposed and turned weights for each phase of the stride.
#include "lib/convolve.wgsl"
