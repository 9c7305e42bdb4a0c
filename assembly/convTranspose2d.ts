/**
 * Transposed convolution is the data gradient of a convolution, phase by phase, with a bias: `convolve` in all but its place in
 * profiles.
 */
export { convolve as convTranspose2d } from './conv2d';
