/** Where a network's first parameters may come from, other than the seed. */
import { FileError } from '../errors.js';
import { formatShape, sameShape } from '../ops/define.js';

/** Arrays by name; a `Map` is one. */
export interface WeightArrays {
  get(name: string): Float32Array | undefined | Promise<Float32Array | undefined>;
  keys?(): Iterable<string>;
}

/**
 * Tensors that are read straight to where they stay, so that no other copy of them is in memory; what `openSafetensors`
 * returns is one. Each of them must be a parameter of the network, of floats and of its shape, or none is read.
 */
export interface WeightTensors {
  /** Stands for the source in errors. */
  readonly label: string;
  readonly tensors: ReadonlyMap<string, { readonly dtype: string; readonly shape: readonly number[] }>;
  /** Whether each tensor may be a stream of its own, to be inflated: two of them together are then read sooner, and no later otherwise. */
  readonly streams?: boolean;
  /** Fills `into` with elements of a tensor, row-major, from element `offset` on. */
  readInto(name: string, into: Float32Array, offset: number): Promise<void>;
}

/** Types of elements that can be read as float32. */
export const floatTypes = ['F32', 'F16', 'BF16', 'F64'] as const;

/** Parameters that it does not have are drawn. */
export type WeightSource = WeightArrays | WeightTensors;

export function hasTensors(source: WeightSource): source is WeightTensors {
  return 'readInto' in source;
}

/** @throws FileError for a tensor that is no parameter, or has not the type and shape of its parameter */
export function checkTensors(
  { label, tensors }: Pick<WeightTensors, 'label' | 'tensors'>,
  parameters: ReadonlyMap<string, readonly number[]>,
): void {
  for (const [name, { dtype, shape }] of tensors) {
    const wanted = parameters.get(name);
    if (!wanted) {
      const known = [...parameters.keys()].join(', ') || 'none';
      throw new FileError(`${label} has tensor '${name}', which is no parameter of the network; there are ${known}`);
    }
    if (!(floatTypes as readonly string[]).includes(dtype) || !sameShape(shape, wanted)) {
      throw new FileError(
        `${label}: tensor '${name}' must be F32 ${formatShape(wanted)}, got ${dtype} ${formatShape(shape)}`,
      );
    }
  }
}
