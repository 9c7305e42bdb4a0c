/** Training that has diverged is known by numbers that are not finite. */

/** In float64 no sum of float32 numbers overflows, so one sum tells. */
export function isFiniteArray(data: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i];
  return Number.isFinite(sum);
}

/** A number of a training step is not finite; the trainer makes a `DivergenceError` of it once it knows where. */
export class NotFinite extends Error {
  override name = 'NotFinite';

  /** @param step the step, counted from 1, whose loss or whose result it is */
  constructor(readonly step: number) {
    super(`a number of step ${step} is not finite`);
  }
}
