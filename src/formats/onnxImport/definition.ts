/** A structure as a model: a graph for any batch size, whose last layer can be replaced. */
import { ArgumentError, FileError, GraphError } from '../../errors.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { Graph, Value } from '../../graph/graph.js';
import type { Built, Model, Preprocessing, Recipe } from '../../models/model.js';
import { elements, formatShape } from '../../ops/define.js';
import { withOtherClasses } from './head.js';
import { declareParameters, FoundParameters, type Parameter } from './parameters.js';
import type { Structure, StructureInput } from './structure.js';
import { parseStructure, type Reading, structureText } from './structureText.js';
import { translate } from './translate.js';

/** What training begins with where nobody says more: small steps on weights that know something already. */
const fineTuning: Recipe = {
  batch: 128,
  learningRate: 0.001,
  iterations: 10_000,
  schedule: { kind: 'fixed' },
  optimizer: { rule: 'caffe', momentum: 0.9, weightDecay: 0.0005 },
};

export interface ImportedModel {
  readonly model: Model;
  readonly parameters: readonly Parameter[];
}

/**
 * @throws GraphError for a structure that has no counterpart here, whose logits are not [N, classes], or that mixes images of a batch
 */
export function modelOf(structure: Structure, reading: Reading, preprocessing?: Preprocessing): ImportedModel {
  const { inputShape, logits: wanted } = reading;
  const [input, ...others] = structure.inputs;
  if (!input || others.length > 0) {
    const names = structure.inputs.map(({ name }) => `'${name}'`).join(', ');
    throw new GraphError(`a network has one input, this one has ${names || 'none'}`);
  }
  const first = new GraphBuilder(structure.name);
  const images = new Map([[input.name, first.input('images', [1, ...inputShape])]]);
  const found = new FoundParameters(first, []);
  const parameter = found.get.bind(found);
  const one = translate(structure, first, { inputs: images, wanted: [wanted], parameter }).get(wanted);
  const classes = one ? elements(one.shape) : 0;
  const parameters = found.found;
  const build = (g: GraphBuilder, x: Value, random: Value | undefined): Built => {
    const values = { inputs: new Map([[input.name, x]]), wanted: [wanted], random };
    const logits = translate(structure, g, { ...values, parameter: declareParameters(g, parameters) }).get(wanted);
    return { logits: flatLogits(g, logits as Value, x.shape[0], classes) };
  };
  // Any other batch size shows whether the images stay apart, and a training graph whether dropout can be.
  for (const batch of [1, 2]) {
    const g = new GraphBuilder(structure.name);
    build(g, g.input('images', [batch, ...inputShape]), g.input('random', [4], 'i32'));
  }
  const model: Model = {
    name: structure.name,
    options: {},
    inputShape,
    classes,
    preprocessing: preprocessing ?? plainPixels(inputShape),
    recipe: fineTuning,
    structure: structureText(structure, reading),
    build,
    withClasses: (count) => {
      if (!Number.isSafeInteger(count) || count < 1) {
        throw new ArgumentError(`classes must be an integer of at least 1, got ${count}`);
      }
      try {
        return modelOf(withOtherClasses(structure, wanted, classes, count), reading, preprocessing).model;
      } catch (error) {
        if (!(error instanceof GraphError)) throw error;
        throw new ArgumentError(`the head of ${structure.name} cannot be replaced: ${error.message}`, { cause: error });
      }
    },
  };
  return { model, parameters };
}

/** Logits [N, classes], which a convolutional head has as [N, classes, 1, 1]. */
function flatLogits(g: GraphBuilder, logits: Value, batch: number, classes: number): Value {
  const { shape } = logits;
  if (shape[0] !== batch || shape[1] !== classes || elements(shape) !== batch * classes) {
    throw new GraphError(
      `'${logits.name}' is ${formatShape(shape)} for a batch of ${batch}, expected logits [${batch}, classes]`,
    );
  }
  return shape.length === 2 ? logits : g.reshape(logits, [batch, classes], { name: 'logits' });
}

/**
 * The model that a weights file has a structure of.
 *
 * @throws FileError naming the field that is missing or wrong
 */
export function modelFromStructure(text: string, where: string): Model {
  const { structure, reading } = parseStructure(text, where);
  try {
    return modelOf(structure, reading).model;
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    throw new FileError(`${where}: 'structure' in the metadata: ${error.message}`, { cause: error });
  }
}

/** Grey levels as they are: an ONNX file does not say what its network wants. */
function plainPixels([planes, , width]: readonly number[]): Preprocessing {
  const channels = planes === 3 ? 'RGB' : 'grey';
  const size = width ?? 1;
  return { channels, fit: 'warp', resize: size, crop: size, mean: channels === 'RGB' ? [0, 0, 0] : [0], scale: 1 };
}

/** A graph with the names of the file: what `tandem run` computes. */
export interface ImportedGraph {
  readonly graph: Graph;
  readonly parameters: readonly Parameter[];
}

/**
 * All outputs of a structure for inputs of the given shapes.
 *
 * @throws ArgumentError for an input that is missing, or of another shape than it is declared with; GraphError as `modelOf`
 */
export function graphOf(structure: Structure, shapes: ReadonlyMap<string, readonly number[]>): ImportedGraph {
  const declare = (g: GraphBuilder) =>
    new Map(structure.inputs.map((input) => [input.name, g.input(input.name, inputShapeOf(input, shapes))]));
  const outputs = [...new Set(structure.outputs)];
  const first = new GraphBuilder(structure.name);
  const found = new FoundParameters(
    first,
    structure.inputs.map(({ name }) => name),
  );
  translate(structure, first, { inputs: declare(first), wanted: outputs, parameter: found.get.bind(found) });

  const g = new GraphBuilder(structure.name);
  const inputs = declare(g);
  const parameter = declareParameters(g, found.found);
  for (const [name, value] of translate(structure, g, { inputs, wanted: outputs, parameter })) g.output(name, value);
  return { graph: g.build(), parameters: found.found };
}

/** The batch and the sizes of images may be others than the file declares; the ops tell whether they fit. */
function inputShapeOf(
  { name, shape: declared }: StructureInput,
  shapes: ReadonlyMap<string, readonly number[]>,
): readonly number[] {
  const given = shapes.get(name);
  if (!given) throw new ArgumentError(`input '${name}' ${describeShape(declared)} is missing`);
  const isFree = (axis: number) => axis === 0 || (given.length === 4 && axis > 1);
  const fits =
    declared?.length === given.length &&
    declared.every((extent, i) => extent === null || isFree(i) || extent === given[i]);
  if (declared && !fits) {
    throw new ArgumentError(`input '${name}' must be ${describeShape(declared)}, got ${formatShape(given)}`);
  }
  return given;
}

/** '[N, 3, 224, 224]': extents that are open are letters. */
export function describeShape(shape: StructureInput['shape']): string {
  if (!shape) return 'of any shape';
  return `[${shape.map((extent, axis) => extent ?? (axis === 0 ? 'N' : '?')).join(', ')}]`;
}

/** The shape of one image, from what the file declares and from what the caller says. */
export function imageShape({ name, shape }: StructureInput, stated: readonly number[] | undefined): readonly number[] {
  const declared = shape?.slice(1);
  if (!stated) {
    if (declared?.length && declared.every((extent) => extent !== null)) return declared;
    throw new GraphError(
      `input '${name}' is ${describeShape(shape)}: expected the option inputShape, the extents of one image`,
    );
  }
  const isShape = stated.length > 0 && stated.every((extent) => Number.isSafeInteger(extent) && extent > 0);
  const fits = !declared || (declared.length === stated.length && (declared[0] ?? stated[0]) === stated[0]);
  if (isShape && fits) return stated;
  throw new ArgumentError(`inputShape ${formatShape(stated)} does not suit input '${name}' ${describeShape(shape)}`);
}
