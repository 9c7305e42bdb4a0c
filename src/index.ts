/// <reference lib="esnext.disposable" preserve="true" />
/** The public API, all of it. Importing it starts nothing and loads no module of Node: backends and files are opened on use. */
import type { BackendOptions } from './backends/open.js';
import type { Engine } from './engine/engine.js';
import type { MeanImage } from './formats/caffe.js';
import type { OnnxOptions, WeightReader } from './formats/onnx.js';
import type { ImportedOnnx, OnnxImportOptions, OnnxProgram } from './formats/onnxImport/import.js';
import type { OnnxModel } from './formats/onnxModel.js';
import type { FormattedTensorFile } from './formats/openTensors.js';
import type { Graph } from './graph/graph.js';
import type { VerifyOptions, VerifyReport } from './verify/verify.js';

export type {
  AdapterInfo,
  BackendInfo,
  CompileOptions,
  Products,
  RunOptions,
  RunResult,
  TypedArray,
} from './backends/backend.js';
export { type BackendName, type BackendOptions, openBackend, type SimdLevel } from './backends/open.js';
export type { TuneOptions } from './backends/tune.js';
export { inferenceAttributes, tenCrops, trainingAttributes } from './data/augmentation.js';
export { type BitmapOptions, type ClassedImage, classedFiles, openBitmaps } from './data/bitmap.js';
export { type DataSplits, type Dataset, memoryDataset, split, subset } from './data/dataset.js';
export { type Pixels, type Resizing, readImage } from './data/image.js';
export { type ImageStatistics, imageInput } from './data/imageInput.js';
export { type BatchOptions, batches, batchesPerEpoch, epochOrder, type ImageBatch } from './data/loader.js';
export { loadStored } from './data/loadStored.js';
export { type OpenDataOptions, openData } from './data/openData.js';
export { encodePng } from './data/png.js';
export { loadImages, preprocessImage } from './data/preprocess.js';
export type { ResizedCrop } from './data/resizedCrop.js';
export { channelMeans, meanImage, principalComponents } from './data/statistics.js';
export { type StoredAs, storedAs, storedShape } from './data/stored.js';
export { openSynthetic, type SyntheticOptions } from './data/synthetic.js';
export { type ColourNoise, colourOffsets } from './engine/colourNoise.js';
export type { NetworkDefinition } from './engine/definition.js';
export type { Engine, ProgramOptions } from './engine/engine.js';
export { gradientsGraph, inferenceGraph, lossGraph, stepGraph } from './engine/graphs.js';
export type { ImageInput } from './engine/imageInput.js';
export type { Network } from './engine/network.js';
export type { AdamSettings, OptimizerSettings, SgdSettings } from './engine/optimizer.js';
export type { ParameterStore } from './engine/parameters.js';
export type { LayerProfile, Profile, StepsProfile } from './engine/profile.js';
export type { Program } from './engine/program.js';
export type { Quantisation } from './engine/quantisation.js';
export type {
  ForwardOptions,
  ForwardResult,
  Frozen,
  GradientsOptions,
  GradientsResult,
  Images,
  LearningRate,
  NetworkOptions,
  PlanOptions,
  ProfileOptions,
  Step,
  StepOptions,
  VariableInfo,
} from './engine/types.js';
export type { WeightArrays, WeightSource, WeightTensors } from './engine/weights.js';
export * from './errors.js';
export type { MeanImage } from './formats/caffe.js';
export { type Fit, fitWeights, presetsThatFit } from './formats/fitWeights.js';
export { type Layout, type LayoutName, layouts } from './formats/layouts.js';
export {
  type LoadOptions,
  loadNetwork,
  type OpenOptions,
  openWeights,
  saveNetwork,
  saveWeights,
  type WeightsFile,
} from './formats/network.js';
export { npyBytes, writeNpy } from './formats/npyWriter.js';
export type { OnnxOptions, WeightReader } from './formats/onnx.js';
export type { ImportedOnnx, OnnxImportOptions, OnnxProgram } from './formats/onnxImport/import.js';
export type {
  OnnxAttribute,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValueInfo,
} from './formats/onnxModel.js';
export type { FormattedTensorFile, TensorFormat } from './formats/openTensors.js';
export {
  openSafetensors,
  parseSafetensors,
  safetensorsChunks,
  type TensorSource,
  writeSafetensors,
} from './formats/safetensors.js';
export type { TensorEntry, TensorFile } from './formats/tensorFile.js';
export { weightsInLayout } from './formats/weightsInLayout.js';
export {
  dropoutScaleAt,
  foldPreprocessing,
  reverseChannels,
  scaleDropout,
} from './formats/weightTransforms.js';
export { GraphBuilder, type NodeOptions, type VariableOptions } from './graph/builder.js';
export { differentiate, gradientName } from './graph/differentiate.js';
export type { Graph, Initializer, Node, Value, VariableSpec } from './graph/graph.js';
export { optimize, withOutputs } from './graph/passes.js';
export { quantiseLinear } from './graph/quantise.js';
export { type CaffeAlexnetOptions, caffeAlexnet } from './models/caffeAlexnet.js';
export type { FamilyOptions } from './models/family.js';
export { replaceHead } from './models/head.js';
export type {
  Augmentation,
  Built,
  Model,
  Preprocessing,
  Recipe,
  RecipeVariant,
  Schedule,
  ScheduleOverride,
} from './models/model.js';
export { preset, presets } from './models/presets.js';
export { type NamedRecipe, recipeFor, recipes } from './models/recipes.js';
export { rateFactor } from './models/schedule.js';
export type { AugmentAttributes } from './ops/augment.js';
export { type Attributes, type Cost, type DType, defineOp, type Op, type TensorType } from './ops/define.js';
export { findOp, ops } from './ops/registry.js';
export type { Plan, PlanBuffer, PlanStep } from './plan/plan.js';
export { type ChartOptions, chartFile, type Series } from './train/chart.js';
export { type Checkpoint, type CheckpointState, readCheckpoint } from './train/checkpoint.js';
export { type ClassifyOptions, classify, type Guess } from './train/classify.js';
export { type EvaluateOptions, type Evaluation, evaluate, type Mistake } from './train/evaluate.js';
export type {
  BestFigure,
  CheckpointEvent,
  DropEvent,
  EndEvent,
  StepEvent,
  TrainingEvent,
  ValidationEvent,
} from './train/events.js';
export {
  type ImageMap,
  type Occlusion,
  type OcclusionOptions,
  occlusion,
  saliency,
  seenWindow,
  type Window,
} from './train/explain.js';
export { type FirstFilters, firstFilters } from './train/filters.js';
export { type PretrainingEvent, type PretrainOptions, pretrain } from './train/pretrain.js';
export { type TrainingReportInput, trainingReport } from './train/report.js';
export { type Run, runFacts } from './train/runFacts.js';
export { Trainer, type TrainerOptions } from './train/trainer.js';
export type { Contestant, VerifyOptions, VerifyReport, VerifyResult } from './verify/verify.js';

// What follows is loaded on first use: every module takes its time, and an import should take none.

/**
 * Opens a backend: by default WebAssembly with the threads and the SIMD level found here (`engine.info` tells).
 *
 * @throws ArgumentError for an option that cannot be
 * @throws BackendError when what was asked for is not to be had here
 */
export async function openEngine(options: BackendOptions = {}): Promise<Engine> {
  return (await import('./engine/engine.js')).openEngine(options);
}

/**
 * Cross-checks kernels: see `VerifyOptions`.
 *
 * @throws ArgumentError for an unknown op, an algorithm that no node has, or no backend
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  return (await import('./verify/verify.js')).verify(options);
}

/**
 * Opens a file of weights, in the format that its bytes have, and checks what it says of its tensors; they are read when asked for.
 *
 * @param file a path; in a page a Blob, such as a File that was chosen
 * @throws FileError naming the file and what is wrong with it, also for a format that is not known
 */
export async function openTensors(file: string | Blob): Promise<FormattedTensorFile> {
  return (await import('./formats/openTensors.js')).openTensors(file);
}

/**
 * Caffe's mean image (mean.binaryproto), channels in the order that the network was trained with: blue, green, red for Caffe's own.
 *
 * @param file a path; in a page a Blob
 * @throws FileError naming the file and what is wrong with it
 */
export async function openMeanImage(file: string | Blob): Promise<MeanImage> {
  return (await import('./formats/caffe.js')).openMeanImage(file);
}

/**
 * The structure of an ONNX file: nodes, inputs, outputs and initializers, whose elements are read when asked for.
 *
 * @param file a path; in a page a Blob
 * @throws FileError naming the file, the byte offset and the field that is wrong
 */
export async function openOnnx(file: string | Blob): Promise<OnnxModel> {
  return (await import('./formats/onnxModel.js')).openOnnx(file);
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
export async function importOnnx(file: string | Blob, options?: OnnxImportOptions): Promise<ImportedOnnx> {
  return (await import('./formats/onnxImport/import.js')).importOnnx(file, options);
}

/**
 * Opens an ONNX file to run it as it is: several inputs and outputs, no logits needed.
 *
 * @throws FileError as `importOnnx`
 */
export async function openOnnxProgram(file: string | Blob): Promise<OnnxProgram> {
  return (await import('./formats/onnxImport/import.js')).openOnnxProgram(file);
}

/**
 * The bytes of an ONNX model that computes the graph's outputs; inputs, outputs and weights keep their names.
 *
 * @throws GraphError for a node that has no counterpart (training ops, int16 weights); ArgumentError for a weight of another length
 */
export async function graphToOnnx(
  graph: Graph,
  weights: WeightReader,
  options?: OnnxOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  return (await import('./formats/onnx.js')).graphToOnnx(graph, weights, options);
}

/**
 * Writes the model to a file, whole or not at all, one weight at a time in memory.
 *
 * @throws as `graphToOnnx`; FileError when the file cannot be written
 */
export async function writeOnnx(
  path: string,
  graph: Graph,
  weights: WeightReader,
  options?: OnnxOptions,
): Promise<void> {
  return (await import('./formats/onnx.js')).writeOnnx(path, graph, weights, options);
}
