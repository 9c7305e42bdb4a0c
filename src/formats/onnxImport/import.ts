/** ONNX models made of our ops become networks of ours: they run, they train, and their heads can be replaced. */
import { inferenceGraph } from '../../engine/graphs.js';
import { ArgumentError, FileError, GraphError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import { headParameters, replaceHead } from '../../models/head.js';
import { modelFromMetadata } from '../../models/metadata.js';
import type { Model, Preprocessing } from '../../models/model.js';
import { preset } from '../../models/presets.js';
import { formatShape, sameShape } from '../../ops/define.js';
import { openSource } from '../byteSource.js';
import { isExportOf } from '../onnx.js';
import { type OnnxModel, openOnnx } from '../onnxModel.js';
import { parametersIn, type TensorFile } from '../tensorFile.js';
import { describeShape, graphOf, imageShape, modelOf } from './definition.js';
import { type Structure, structureOf } from './structure.js';
import { importedWeights } from './weights.js';

export interface OnnxImportOptions {
  /** [C, H, W] of one image, where the file leaves it open or the network is to take another size. */
  readonly inputShape?: readonly number[];
  /** Name of the output that has the classes; the first by default. Of a softmax, the logits are what it is taken of. */
  readonly output?: string;
  /** Replaces the last layer by one for that many classes, or for those of these names; the weights come without it. */
  readonly classes?: number | readonly string[];
  /** How pixels become the input, or the name of the preset that has the same; by default grey levels as they are. */
  readonly preprocessing?: Preprocessing | string;
}

export interface ImportedOnnx {
  readonly model: Model;
  /** The parameters, read when asked for; closing it closes the file. */
  readonly weights: TensorFile;
}

/**
 * The network that an ONNX file holds, for any batch size:
 *
 *     const { model, weights } = await importOnnx('bvlcalexnet-9.onnx');
 *     const net = await engine.network(model, { weights });
 *     await weights.close();
 *
 * Its parameters are the file's initializers under their names, but that a slash in one becomes a dot; the weight of a fully connected
 * layer is outputs × inputs, whichever way it lies in the file. Where the file states a batch size B, in its input and in the shape that it
 * flattens to ([B, 9216]), a graph for N images has N. Dropout drops while training, and only then.
 *
 * @param file a path; in a page a Blob
 * @throws FileError for a file that is missing or broken, or naming the node, its op, and the attribute that Tandem has no counterpart for;
 * ArgumentError for an option that does not suit the file
 */
export async function importOnnx(file: string | Blob, options: OnnxImportOptions = {}): Promise<ImportedOnnx> {
  return opened(await openOnnx(file), (model) => importModel(model, options));
}

/** The same for an open model, which the weights then close. */
export async function importModel(onnx: OnnxModel, options: OnnxImportOptions = {}): Promise<ImportedOnnx> {
  const { structure, tensors } = await structureOf(onnx);
  return inFile(onnx.label, () => {
    const [input] = structure.inputs;
    const inputShape = input ? imageShape(input, options.inputShape) : [];
    const reading = { inputShape, logits: logitsOf(structure, options.output) };
    const { model, parameters } = modelOf(structure, reading, preprocessingOf(options.preprocessing, inputShape));
    if (options.classes === undefined) return { model, weights: importedWeights(onnx, parameters, tensors) };
    const head = headParameters(model);
    const kept = parameters.filter(({ name }) => !head.includes(name));
    return { model: withHead(model, options.classes), weights: importedWeights(onnx, kept, tensors) };
  });
}

function withHead(model: Model, classes: number | readonly string[]): Model {
  return typeof classes === 'number'
    ? replaceHead(model, classes)
    : { ...replaceHead(model, classes.length), classNames: classes };
}

/** A graph that computes all outputs of an ONNX file from inputs of given shapes, under the names that the file has for them. */
export interface OnnxProgram extends OnnxFacts {
  /**
   * @param shapes by the name of the input
   * @throws ArgumentError for an input that is missing or has another shape than it is declared with, FileError as `importOnnx`
   */
  graph(shapes: ReadonlyMap<string, readonly number[]>): { readonly graph: Graph; readonly weights: TensorFile };
  close(): Promise<void>;
}

export interface OnnxFacts {
  /** [N, 3, 224, 224] of each input, by name; extents that are open are letters. */
  readonly inputs: ReadonlyMap<string, string>;
  readonly outputs: readonly string[];
}

/**
 * Opens an ONNX file to run it as it is: several inputs and outputs, no logits needed. What Tandem has written of a preset is the
 * preset's graph again, ops that ONNX has not and that were written as several of its own too.
 *
 * @throws FileError as `importOnnx`
 */
export async function openOnnxProgram(file: string | Blob): Promise<OnnxProgram> {
  return opened(await openOnnx(file), async (onnx) => {
    const own = await exportedModel(file, onnx.metadata);
    if (own) return programOf(own, onnx);
    const { structure, tensors } = await structureOf(onnx);
    return {
      inputs: new Map(structure.inputs.map(({ name, shape }) => [name, describeShape(shape)])),
      outputs: structure.outputs,
      graph: (shapes) =>
        inFile(onnx.label, () => {
          const { graph, parameters } = graphOf(structure, shapes);
          return { graph, weights: importedWeights(onnx, parameters, tensors) };
        }),
      close: () => onnx.close(),
    };
  });
}

/** The preset that a file is the export of, byte by byte but for its weights: metadata alone could be of another graph. */
async function exportedModel(file: string | Blob, metadata: OnnxModel['metadata']): Promise<Model | undefined> {
  if (!Object.hasOwn(metadata, 'preset') || Object.hasOwn(metadata, 'structure')) return undefined;
  const source = await openSource(file);
  try {
    const model = modelFromMetadata(metadata, source.label);
    return (await isExportOf(source, inferenceGraph(model, 1), { anyBatch: true, metadata })) ? model : undefined;
  } finally {
    await source.close();
  }
}

function programOf(model: Model, onnx: OnnxModel): OnnxProgram {
  const expected = [null, ...model.inputShape];
  return {
    inputs: new Map([['images', describeShape(expected)]]),
    outputs: [...inferenceGraph(model, 1).outputs.keys()],
    graph: (shapes) => {
      const [batch, ...image] = shapes.get('images') ?? [];
      if (!(batch >= 1) || !sameShape(image, model.inputShape)) {
        throw new ArgumentError(
          `input 'images' must be ${describeShape(expected)}, got ${formatShape(shapes.get('images') ?? [])}`,
        );
      }
      return { graph: inferenceGraph(model, batch), weights: parametersIn(onnx.file) };
    },
    close: () => onnx.close(),
  };
}

/** Uses an open model; it stays open only if that succeeds. */
async function opened<T>(onnx: OnnxModel, use: (onnx: OnnxModel) => Promise<T>): Promise<T> {
  try {
    return await use(onnx);
  } catch (error) {
    await onnx.close();
    throw error;
  }
}

/** What cannot be built is the file's fault. */
function inFile<T>(label: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof GraphError)) throw error;
    throw new FileError(`${label}: ${error.message}`, { cause: error });
  }
}

/** The value that a softmax at the end is taken of, or else the output itself. */
function logitsOf(structure: Structure, output = structure.outputs[0]): string {
  if (output === undefined) throw new GraphError('there are no outputs');
  if (!structure.outputs.includes(output)) {
    const known = structure.outputs.map((name) => `'${name}'`).join(', ');
    throw new ArgumentError(`${structure.name} has no output '${output}'; there are ${known}`);
  }
  const makers = new Map(structure.nodes.map((node) => [node.outputs[0], node]));
  let name = output;
  // Nothing but the shape changes behind a softmax.
  for (const _ of structure.nodes) {
    const node = makers.get(name);
    if (node?.op === 'Softmax' || node?.op === 'LogSoftmax') return node.inputs[0];
    if (!node || !['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Cast'].includes(node.op)) break;
    name = node.inputs[0];
  }
  return output;
}

function preprocessingOf(given: Preprocessing | string | undefined, [, , width]: readonly number[]) {
  if (typeof given !== 'string') return given;
  const { preprocessing } = preset(given);
  const crop = width ?? preprocessing.crop;
  return { ...preprocessing, crop, resize: Math.max(preprocessing.resize, crop) };
}
