/** The parameters of a model as the tensors of others: their names, their axes. */
import { ArgumentError } from '../errors.js';
import type { Model } from '../models/model.js';
import { axesIn, findLayout, type LayoutName, namesIn, ownOrder, parametersOf, shapeIn } from './layouts.js';
import { permutation, permuted } from './permute.js';
import { type StoredTensor, type TensorFile, tensorFile } from './tensorFile.js';

/**
 * @param file with the parameters of the model under their own names
 * @throws ArgumentError for a layout that is another network's, or has no layers such as the model's
 */
export function weightsInLayout(file: TensorFile, model: Model, name: LayoutName): TensorFile {
  const layout = findLayout(name);
  if (layout.preset && layout.preset.name !== model.name) {
    throw new ArgumentError(`layout ${name} is that of ${layout.preset.name}, not of ${model.name}`);
  }
  const tensors = new Map<string, StoredTensor>();
  for (const parameter of parametersOf(model)) {
    const [called] = namesIn(layout, parameter, model);
    const to = axesIn(layout, parameter);
    if (called === undefined || to === undefined) {
      throw new ArgumentError(`layout ${name} knows no locally connected layers, such as ${parameter.layer}`);
    }
    const order = permutation(parameter.axes, axesIn({ order: ownOrder }, parameter) ?? to, to);
    const load = permuted((into, offset) => file.readInto(parameter.name, into, offset), order);
    const dtype = file.tensors.get(parameter.name)?.dtype ?? 'F32';
    tensors.set(called, { dtype, shape: shapeIn(layout, parameter, to), load });
  }
  return tensorFile(file, tensors);
}
