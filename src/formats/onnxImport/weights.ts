/** The tensors of an ONNX file as the parameters of a network: under their names there, and in the layout that it has them in. */
import type { OnnxModel, OnnxTensor } from '../onnxModel.js';
import { type Permutation, permutation, permuted } from '../permute.js';
import { type ReadFloats, type StoredTensor, type TensorFile, tensorFile } from '../tensorFile.js';
import type { Parameter } from './parameters.js';

/** @param tensors by name, those of `Constant` nodes too */
export function importedWeights(
  model: OnnxModel,
  parameters: readonly Parameter[],
  tensors: ReadonlyMap<string, OnnxTensor>,
): TensorFile {
  const stored = parameters.flatMap(({ name, tensor: from, shape, role }): [string, StoredTensor][] => {
    const tensor = tensors.get(from);
    if (!tensor) return [];
    const read: ReadFloats = model.initializers.has(from)
      ? (into, offset) => model.file.readInto(from, into, offset)
      : async (into, offset) => into.set((await tensor.floats()).subarray(offset, offset + into.length));
    return [
      [name, { dtype: tensor.dtype, shape, load: role === 'transposed' ? permuted(read, transposition(shape)) : read }],
    ];
  });
  return tensorFile(model, new Map(stored), model.metadata);
}

/** The file has [inputs, outputs], a network [outputs, inputs]. */
function transposition([outputs, inputs]: readonly number[]): Permutation {
  return permutation(
    new Map([
      ['O', outputs],
      ['I', inputs],
    ]),
    'IO',
    'OI',
  );
}
