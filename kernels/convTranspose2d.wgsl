// y[n, o, i·s + u·d − top, j·s + v·d − left] += w[c, o, u, v] · x[n, c, i, j], plus b[o]: the data gradient of a convolution, by phases.
#include "lib/convolve.wgsl"
