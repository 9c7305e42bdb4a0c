import { extname } from 'node:path';
import { Command, Option } from 'commander';
import { ArgumentError } from '../errors.js';
import { type LayoutName, layoutNames } from '../formats/layouts.js';
import { openWeights, saveWeights, type WeightsFile } from '../formats/network.js';
import { writeNpy } from '../formats/npyWriter.js';
import { openTensors } from '../formats/openTensors.js';
import { writeSafetensors } from '../formats/safetensors.js';
import type { TensorFile } from '../formats/tensorFile.js';
import { weightsInLayout } from '../formats/weightsInLayout.js';
import { dropoutScaleAt, foldPreprocessing, reverseChannels, scaleDropout } from '../formats/weightTransforms.js';
import type { ModelOptions } from '../models/options.js';
import { preset } from '../models/presets.js';
import { elements, formatShape } from '../ops/define.js';
import { formatListing, listTensors } from './lib/listing.js';
import { withMeanImage } from './lib/meanImage.js';
import { writeModel } from './lib/onnxFile.js';
import { expectFolder, print, writeJson } from './lib/output.js';
import { Progress } from './lib/progress.js';
import { formatBytes } from './lib/table.js';
import { modelOption } from './lib/trainingOptions.js';

interface ConvertOptions {
  readonly model?: string;
  readonly option?: ModelOptions;
  readonly layout?: LayoutName;
  readonly tensor?: string;
  readonly mean?: string;
  readonly bgrToRgb?: boolean;
  readonly fold?: boolean;
  readonly dropoutScaling?: 'train' | 'test';
  readonly json?: string;
}

/** `tandem convert` */
export function convertCommand(): Command {
  return new Command('convert')
    .description('say what a file of weights holds, or write it in another format')
    .argument('<in>', 'safetensors, PyTorch (.pth), Caffe (.caffemodel), NumPy (.npy, .npz) or ONNX')
    .argument('[out]', '.safetensors or .onnx for a network, .npy for one tensor; nothing is written without it')
    .option('--model <name>', 'preset that the weights are of, if they do not say it')
    .option('--option <name=value>', "an option of the preset, such as 'width=0.5'; may be repeated", modelOption)
    .addOption(
      new Option('--layout <name>', 'write the names and axes of others, to .safetensors').choices([...layoutNames]),
    )
    .option('--tensor <name>', 'what to write to .npy, by its name in the file')
    .option('--mean <file>', "mean image that the network subtracts: Caffe's mean.binaryproto")
    .option('--bgr-to-rgb', 'make a network that reads BGR one that reads RGB')
    .option('--fold', 'put the means and scales of the preprocessing into the first layer')
    .addOption(
      new Option(
        '--dropout-scaling <when>',
        'the weights are of dropout that scales at the other time: make them fit for networks that scale in training, or at test',
      ).choices(['train', 'test']),
    )
    .option('--json <file>', "without OUT: write what the file holds to a file ('-': standard output)")
    .action(runConvert);
}

async function runConvert(source: string, target: string | undefined, options: ConvertOptions): Promise<void> {
  if (target === undefined) await list(source, options);
  else await convert(source, target, options);
}

async function list(source: string, options: ConvertOptions): Promise<void> {
  const { json, model, option, ...others } = options;
  const [needless] = Object.keys(others);
  if (needless !== undefined) throw new ArgumentError(`--${kebab(needless)} changes what is written, expected OUT`);
  if (json !== undefined) await expectFolder(json);
  const file = await openTensors(source);
  try {
    const told = model !== undefined || Object.hasOwn(file.metadata, 'preset');
    const known = told ? await open(source, options) : undefined;
    await known?.file.close();
    const listing = listTensors(file, known?.model);
    if (json !== '-') print(formatListing(source, listing));
    if (json !== undefined) await writeJson(json, listing);
  } finally {
    await file.close();
  }
}

async function convert(source: string, target: string, options: ConvertOptions): Promise<void> {
  const { layout, tensor, json } = options;
  const kind = extname(target).toLowerCase();
  if (!['.safetensors', '.onnx', '.npy'].includes(kind)) {
    throw new ArgumentError(`cannot write '${target}': expected a name that ends in .safetensors, .onnx or .npy`);
  }
  if (json !== undefined) throw new ArgumentError('--json is for what a file holds, without OUT');
  if (layout !== undefined && kind !== '.safetensors') throw new ArgumentError('--layout is for .safetensors');
  if ((tensor !== undefined) !== (kind === '.npy'))
    throw new ArgumentError('a .npy file has one tensor: --tensor NAME');
  await expectFolder(target);
  if (tensor !== undefined) {
    await writeTensor(source, target, tensor);
    return;
  }
  const opened = await open(source, options);
  const progress = new Progress('convert');
  try {
    const weights = shown(await changed(opened, options), progress);
    if (kind === '.onnx') await writeModel(target, weights.model, (name) => weights.file.read(name));
    else if (layout === undefined) await saveWeights(weights, target);
    else await writeLayout(target, weights, layout);
    progress.stop();
    const { model } = weights;
    print(`${target}: ${model.name}, ${model.classes} classes${layout === undefined ? '' : `, as ${layout} has it`}`);
  } finally {
    progress.stop();
    await opened.file.close();
  }
}

function open(source: string, { model, option }: ConvertOptions): Promise<WeightsFile> {
  if (option !== undefined && model === undefined) throw new ArgumentError('--option is one of a preset: --model NAME');
  return openWeights(source, { model: model !== undefined && option ? preset(model, option) : model });
}

/** With the changes that were asked for. */
async function changed(opened: WeightsFile, options: ConvertOptions): Promise<WeightsFile> {
  let weights = opened;
  if (options.bgrToRgb) {
    const { name, preprocessing } = weights.model;
    if (preprocessing.channels !== 'BGR') {
      throw new ArgumentError(`--bgr-to-rgb: ${name} reads ${preprocessing.channels} as it is`);
    }
    weights = reverseChannels(weights);
  }
  if (options.dropoutScaling !== undefined) weights = withDropoutScaling(weights, options.dropoutScaling, options);
  if (options.mean !== undefined) weights = await withMeanImage(weights, options.mean);
  return options.fold ? foldPreprocessing(weights) : weights;
}

function withDropoutScaling(weights: WeightsFile, when: 'train' | 'test', { layout }: ConvertOptions): WeightsFile {
  const { model, file } = weights;
  const own = dropoutScaleAt(model);
  if (layout === undefined && own !== undefined && own !== when) {
    throw new ArgumentError(
      `--dropout-scaling ${when} makes weights that are none for ${model.name}, whose dropout scales at ${own}: expected ${own}, or a --layout for others`,
    );
  }
  if (Object.hasOwn(file.metadata, 'preset') && own === when) {
    throw new ArgumentError(`--dropout-scaling ${when}: the weights say that they are of ${model.name}, which does so`);
  }
  return scaleDropout(weights, when);
}

async function writeTensor(source: string, target: string, tensor: string): Promise<void> {
  const file = await openTensors(source);
  try {
    const data = await file.read(tensor);
    const shape = file.tensors.get(tensor)?.shape ?? [];
    await writeNpy(target, shape, data);
    print(`${target}: ${tensor} ${formatShape(shape)}`);
  } finally {
    await file.close();
  }
}

async function writeLayout(target: string, { model, file }: WeightsFile, layout: LayoutName): Promise<void> {
  const written = weightsInLayout(file, model, layout);
  await writeSafetensors(
    target,
    [...written.tensors].map(([name, { shape }]) => ({ name, shape, data: () => written.read(name) })),
  );
}

/** The same weights, with a bar that moves as they are read. */
function shown(weights: WeightsFile, progress: Progress): WeightsFile {
  const { file } = weights;
  const total = [...file.tensors.values()].reduce((sum, { shape }) => sum + 4 * elements(shape), 0);
  let done = 0;
  const readInto: TensorFile['readInto'] = async (name, into, offset) => {
    await file.readInto(name, into, offset);
    done += into.byteLength;
    progress.update(done, total, `${name} of ${formatBytes(total)}`);
  };
  const read: TensorFile['read'] = async (name, into) => {
    const values = await file.read(name, into);
    done += values.byteLength;
    progress.update(done, total, name);
    return values;
  };
  return { ...weights, file: { ...file, read, readInto } };
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
