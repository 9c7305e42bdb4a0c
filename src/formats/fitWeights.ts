/** Finds out how a file calls the parameters of a model and how their axes lie there, or says what keeps it from fitting. */
import { ArgumentError, FileError } from '../errors.js';
import { headParameters, replaceHead } from '../models/head.js';
import type { Model } from '../models/model.js';
import { preset, presets } from '../models/presets.js';
import { elements, formatShape } from '../ops/define.js';
import {
  axesIn,
  type Layout,
  type LayoutName,
  layoutNames,
  layouts,
  namesIn,
  ownOrder,
  type Parameter,
  parametersOf,
  shapeIn,
} from './layouts.js';
import { permutation, permuted } from './permute.js';
import { isFloatType, type StoredTensor, type TensorEntry, type TensorFile, tensorFile } from './tensorFile.js';

/** A preset that a file holds the weights of. */
export interface Fit {
  readonly model: Model;
  /** 'sequence': by no names, but in the order of the layers. */
  readonly layout: LayoutName | 'sequence';
}

/** Where each parameter is, by its name. */
type Places = ReadonlyMap<string, { readonly stored: string; readonly axes: string }>;

interface Found extends Pick<Fit, 'layout'> {
  readonly places: Places;
}

/** The first thing that is wrong, and how many parameters had their shapes. */
interface Misfit {
  readonly problem: string;
  readonly matches: number;
}

/**
 * The tensors of a file as the parameters of a model: under its names, with its axes. A tensor that is asked for as a whole is read
 * once, straight to where it stays.
 *
 * @param file weights by the names, and with the axes, of one of `layouts`; or with other names in the order of the layers, each with a
 * weight and a bias. Tensors of no floats are left out of account.
 * @throws FileError naming the tensor that does not fit, its shape and the one expected, and the presets that would fit
 */
export function fitWeights(file: TensorFile, model: Model): TensorFile {
  return mapped(file, model, findFit(file, model));
}

/**
 * The presets that a file holds the weights of, with as many classes as it has; those whose names it has before those whose layers
 * have the shapes only.
 */
export function presetsThatFit(file: Pick<TensorFile, 'label' | 'tensors'>): readonly Fit[] {
  const fits = [...presets.keys()].flatMap((name): readonly Fit[] => {
    const model = withClassesOf(file, preset(name));
    const found = search(file, model);
    return 'places' in found ? [{ model, layout: found.layout }] : [];
  });
  const named = fits.filter(({ layout }) => layout !== 'sequence');
  return named.length > 0 ? named : fits;
}

/** The same model with a head for as many classes as a file has; the model itself where that cannot be told. */
export function withClassesOf(file: Pick<TensorFile, 'tensors'>, model: Model): Model {
  const [count] = [...headCounts(file, model)].filter((classes) => classes !== model.classes);
  if (count === undefined) return model;
  try {
    return replaceHead(model, count);
  } catch (error) {
    if (error instanceof ArgumentError) return model;
    throw error;
  }
}

/** Numbers of classes that the tensor of the head's bias may stand for. */
function headCounts({ tensors }: Pick<TensorFile, 'tensors'>, model: Model): ReadonlySet<number> {
  const names = headParameters(model);
  const bias = parametersOf(model).find(({ name, part }) => part === 'bias' && names.includes(name));
  if (!bias) return new Set();
  const called = layoutNames.flatMap((name) => namesIn(layouts[name], bias, model));
  const stored = called.flatMap((name) => tensors.get(name) ?? []);
  const floats = [...tensors.values()].filter(({ dtype }) => isFloatType(dtype));
  // Without names the head comes last.
  const counted = stored.length > 0 ? stored : floats.slice(-2);
  return new Set([Math.min(...counted.map(({ shape }) => elements(shape)))].filter(Number.isSafeInteger));
}

function findFit(file: TensorFile, model: Model): Found {
  const found = search(file, model);
  if ('places' in found) return found;
  const replaced = withClassesOf(file, model);
  if (replaced !== model && 'places' in search(file, replaced)) {
    throw new FileError(
      `${file.label} holds a ${model.name} of ${replaced.classes} classes, expected ${model.classes}: ` +
        `take it as one of ${replaced.classes} and replace its head (classes in code, --head in tandem train)`,
    );
  }
  throw new FileError(`${file.label}: ${found.problem}; ${othersThatFit(file, model)}`);
}

/**
 * The presets that fit a file, in words; where none does, the nearest one.
 *
 * @param wanted the model that does not fit, and why is known
 */
export function othersThatFit(file: Pick<TensorFile, 'label' | 'tensors'>, wanted?: Model): string {
  const fits = presetsThatFit(file);
  if (fits.length > 0) {
    return `it has the shapes of ${fits.map(({ model }) => `${model.name}${ofClasses(model)}`).join(', ')}`;
  }
  const misfits = [...presets.keys()].map((name) => {
    const model = withClassesOf(file, preset(name));
    const found = search(file, model);
    return { name, ...('places' in found ? { problem: '', matches: 0 } : found) };
  });
  const nearest = misfits.reduce((best, each) => (each.matches > best.matches ? each : best));
  if (nearest.matches === 0) return 'no preset has any of its shapes';
  const near = misfits.find(({ name }) => name === wanted?.name);
  if (near && near.matches === nearest.matches) return 'no preset fits, and none is nearer';
  return `no preset fits; the nearest is ${nearest.name}, but ${nearest.problem}`;
}

function ofClasses({ name, classes }: Model): string {
  return classes === preset(name).classes ? '' : ` with ${classes} classes`;
}

/** Every layout that has any of the file's names; without one, the order of the layers. */
function search(file: Pick<TensorFile, 'label' | 'tensors'>, model: Model): Found | Misfit {
  const parameters = parametersOf(model);
  const floats = new Map([...file.tensors].filter(([, { dtype }]) => isFloatType(dtype)));
  const tries = layoutNames.flatMap((name): readonly Attempt[] => {
    const places = namedPlaces(layouts[name], parameters, floats, model);
    return places ? [{ layout: name, ...attempt(model, parameters, floats, layouts[name], places) }] : [];
  });
  const all = tries.length > 0 ? tries : sequences(model, parameters, floats);
  const fits = all.filter((each): each is Found => 'places' in each);
  const [first, ...others] = fits;
  if (first) {
    const other = others.find(({ places }) => !samePlaces(places, first.places, parameters));
    if (!other) return first;
    const two = [first.layout, other.layout].join(' and ');
    return { problem: `its shapes fit ${model.name} in two ways (${two}), which differ`, matches: 0 };
  }
  return (all as readonly Misfit[]).reduce((best, each) => (each.matches > best.matches ? each : best));
}

type Attempt = Found | (Misfit & Pick<Fit, 'layout'>);

/** The names that a layout has for the parameters, in the form of which the file has most; undefined where it has none of them. */
function namedPlaces(
  layout: Layout,
  parameters: readonly Parameter[],
  floats: ReadonlyMap<string, TensorEntry>,
  model: Model,
): ReadonlyMap<string, string> | undefined {
  const forms = layout.names.map(
    (_, i) => new Map(parameters.map((each) => [each.name, namesIn(layout, each, model)[i] ?? ''])),
  );
  const hits = forms.map((form) => [...form.values()].filter((name) => floats.has(name)).length);
  const most = Math.max(...hits);
  return most === 0 ? undefined : forms[hits.indexOf(most)];
}

/** Checks names and shapes in one layout. */
function attempt(
  model: Model,
  parameters: readonly Parameter[],
  floats: ReadonlyMap<string, TensorEntry>,
  layout: Pick<Layout, 'order' | 'matrices'>,
  names: ReadonlyMap<string, string>,
): { readonly places: Places } | Misfit {
  const places = new Map<string, { readonly stored: string; readonly axes: string }>();
  let problem: string | undefined;
  for (const parameter of parameters) {
    const { name } = parameter;
    const stored = names.get(name) ?? '';
    const axes = axesIn(layout, parameter);
    const shape = floats.get(stored)?.shape;
    if (axes === undefined) {
      problem ??= `locally connected layers, as ${model.name}'s ${parameter.layer}, are not known in its layout`;
    } else if (!shape) {
      problem ??= `there is no tensor '${stored}', which ${model.name} needs for ${name}`;
    } else if (!hasShape(shape, parameter, axes)) {
      const wanted = formatShape(shapeIn(layout, parameter, axes));
      problem ??= `tensor '${stored}' is ${formatShape(shape)}, expected ${wanted} for ${name} of ${model.name}`;
    } else {
      places.set(name, { stored, axes });
    }
  }
  const used = new Set(names.values());
  const extra = [...floats.keys()].find((name) => !used.has(name));
  if (extra !== undefined) problem ??= `${model.name} has no parameter for tensor '${extra}'`;
  return problem === undefined ? { places } : { problem, matches: places.size };
}

/** With all axes, or those of the inputs as one; extents of 1 may be there or not. */
function hasShape(shape: readonly number[], { axes }: Parameter, letters: string): boolean {
  const squeezed = (extents: readonly number[]) => extents.filter((extent) => extent !== 1).join();
  const extents = [...letters].map((letter) => axes.get(letter) ?? 1);
  const outputs = axes.get('O') ?? 1;
  const inputs = elements(extents) / outputs;
  const flat = letters.startsWith('O') ? [outputs, inputs] : [inputs, outputs];
  return [extents, flat, [elements(extents)]]
    .slice(0, letters.includes('I') ? 2 : 3)
    .some((known) => squeezed(known) === squeezed(shape));
}

/** The order of the file, or that of its names with their numbers as numbers; axes as any layout has them. */
function sequences(model: Model, parameters: readonly Parameter[], floats: ReadonlyMap<string, TensorEntry>) {
  const written = [...floats.keys()];
  const { compare } = new Intl.Collator('en', { numeric: true });
  const orders = [written, [...written].sort(compare)];
  return orders.flatMap((names) =>
    [ownOrder, layouts.tensorflow.order, layouts['cuda-convnet'].order].map((order): Attempt => {
      const layout = { order };
      const found = attempt(model, parameters, floats, layout, inOrder(parameters, names, floats));
      const { length } = parameters;
      if ('places' in found || names.length === length) return { layout: 'sequence', ...found };
      const problem = `its ${names.length} tensors have no names that are known, and ${model.name} has ${length}`;
      return { layout: 'sequence', problem, matches: 0 };
    }),
  );
}

/** The tensors two by two; of each two the larger one is the weight. */
function inOrder(
  parameters: readonly Parameter[],
  names: readonly string[],
  floats: ReadonlyMap<string, TensorEntry>,
): ReadonlyMap<string, string> {
  const size = (name: string) => elements(floats.get(name)?.shape ?? []);
  const places = new Map<string, string>();
  const layers = [...new Set(parameters.map(({ layer }) => layer))];
  for (const [i, layer] of layers.entries()) {
    const two = names.slice(2 * i, 2 * i + 2).sort((a, b) => size(b) - size(a));
    const [weight = '', bias = ''] = two;
    places.set(`${layer}.weight`, weight);
    places.set(`${layer}.bias`, bias);
  }
  return places;
}

function samePlaces(one: Places, other: Places, parameters: readonly Parameter[]): boolean {
  return parameters.every(({ name, axes }) => {
    const [a, b] = [one.get(name), other.get(name)];
    // Axes of extent 1 may lie anywhere.
    const order = (letters = '') => [...letters].filter((letter) => axes.get(letter) !== 1).join('');
    return a?.stored === b?.stored && order(a?.axes) === order(b?.axes);
  });
}

/** The parameters of a model as an open file. */
function mapped(file: TensorFile, model: Model, { places }: Found): TensorFile {
  const tensors = new Map<string, StoredTensor>();
  for (const parameter of parametersOf(model)) {
    const { name, shape, axes } = parameter;
    const place = places.get(name);
    if (!place) continue;
    const { stored, axes: from } = place;
    const dtype = file.tensors.get(stored)?.dtype ?? '';
    const order = permutation(axes, from, axesIn({ order: ownOrder }, parameter) ?? from);
    const load = permuted((into, offset) => file.readInto(stored, into, offset), order);
    tensors.set(name, { dtype, shape, load });
  }
  return tensorFile(file, tensors, file.metadata);
}
