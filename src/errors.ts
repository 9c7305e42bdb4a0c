/**
 * Everything that Tandem throws on purpose. A message names the thing that is wrong and what was expected of it.
 */
export class TandemError extends Error {
  override name = 'TandemError';
}

/** A graph that cannot be built: names the node, its input shapes and what the op expects. */
export class GraphError extends TandemError {
  override name = 'GraphError';
}

/** A call with an argument that cannot be used: names the argument, its value and what is allowed. */
export class ArgumentError extends TandemError {
  override name = 'ArgumentError';
}

/** Input data of the wrong shape, type, range or with NaN in it. */
export class InputError extends TandemError {
  override name = 'InputError';
}

/** A file that is missing, truncated or not what it should be: names the file and the field or offset. */
export class FileError extends TandemError {
  override name = 'FileError';
}

/** A backend that cannot be opened here, ran out of memory, or failed while running. */
export class BackendError extends TandemError {
  override name = 'BackendError';
}

/** A WebGPU device that is gone (driver reset, removed, destroyed): its engine can only be closed; a new one can be opened. */
export class DeviceLostError extends BackendError {
  override name = 'DeviceLostError';
}

/** Training whose numbers are no longer finite. What it had learned before is in its last checkpoint; its network is of no use. */
export class DivergenceError extends TandemError {
  override name = 'DivergenceError';

  constructor(
    message: string,
    /** Of the training step, counted from 1, in which the first number went bad. */
    readonly step: number,
    /** The layer where; 'loss' when every layer was fine. */
    readonly layer: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
