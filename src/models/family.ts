/** Makes a model of an architecture: reads the options, and builds the graph for any batch size. */
import { ArgumentError } from '../errors.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import { type Architecture, type DropoutPlace, type Norm, norms, type Pooling, type Stage } from './architecture.js';
import { FamilyBuilder } from './familyBuilder.js';
import type { Model } from './model.js';
import { choiceOption, expectOptions, integerOption, type ModelOptions, numberOption } from './options.js';

/** Options of every preset; what is missing is as the preset's source has it. */
export interface FamilyOptions {
  /** Units of the last layer. */
  readonly classes?: number;
  /** Factor on the filters and units of every other layer (rounded up to even numbers); 1. */
  readonly width?: number;
  /** Height and width of an input image. */
  readonly inputSize?: number;
  /** Probability with which dropout drops a value in training, 0 for none. */
  readonly dropout?: number;
  /** 2: layers inside a tower see only its half of the channels, as on the paper's two GPUs. */
  readonly towers?: 1 | 2;
  /**
   * How two towers are written: as groups of one op, or as ops of each tower between split and concat. Both have the same
   * parameters and the same results, bit for bit.
   */
  readonly towerForm?: 'groups' | 'split';
  /** Whether normalisation goes before pooling (the paper, bvlc_alexnet) or after it (CaffeNet). */
  readonly order?: 'norm-pool' | 'pool-norm';
  /** Without normalisation, with that of the preset, or with the paper's, the 2012 source's or Caffe's constants. */
  readonly lrn?: boolean | 'paper' | 'source' | 'caffe';
  /** Dropout on the outputs or on the inputs of the hidden fully connected layers, or on the outputs of the blocks. */
  readonly dropoutPlace?: DropoutPlace;
  readonly activation?: 'relu' | 'tanh' | 'sigmoid';
  /** How the first fully connected layer is written: as a product of matrices, or as a convolution over the whole map. */
  readonly fc?: 'linear' | 'convolution';
  /** Height and width of every pooling window, from the stride (no overlap) to what the preset has. */
  readonly poolKernel?: number;
  /** How parameters start: as the preset has it, or weights N(0, 2/fan_in) and biases 0 (He et al. 2015, eq. 10). */
  readonly init?: 'preset' | 'he';
}

/** Options with every default filled in. */
export interface Resolved extends Required<Omit<FamilyOptions, 'order' | 'lrn' | 'poolKernel'>> {
  readonly norm: Norm | undefined;
  readonly pooling: Pooling;
  readonly stages: (stages: readonly Stage[]) => readonly Stage[];
}

/** What a preset is beside its layers. The functions are given the input size that was chosen. */
export interface Preset extends Pick<Model, 'recipe'> {
  readonly name: string;
  readonly architecture: Architecture;
  readonly preprocessing: (inputSize: number) => Model['preprocessing'];
  readonly augmentation?: (inputSize: number) => Model['augmentation'];
}

const optionNames: readonly (keyof FamilyOptions)[] = [
  'classes',
  'width',
  'inputSize',
  'dropout',
  'towers',
  'towerForm',
  'order',
  'lrn',
  'dropoutPlace',
  'activation',
  'fc',
  'poolKernel',
  'init',
];

/** @throws ArgumentError for an unknown option or one out of range */
export function makeModel(preset: Preset, options: FamilyOptions | ModelOptions): Model {
  const { name, architecture } = preset;
  const resolved = resolve(name, architecture, options);
  const { classes, width, inputSize, dropout } = resolved;
  const stated = Object.fromEntries(
    Object.entries(options).filter(([key, value]) => value !== undefined && optionNames.indexOf(key as never) >= 4),
  );
  return {
    name,
    options: { classes, width, inputSize, dropout, ...stated },
    inputShape: [architecture.channels, inputSize, inputSize],
    classes,
    preprocessing: preset.preprocessing(inputSize),
    recipe: preset.recipe,
    ...(preset.augmentation ? { augmentation: preset.augmentation(inputSize) } : {}),
    build: (g: GraphBuilder, images: Value, random: Value | undefined) => ({
      logits: new FamilyBuilder(g, architecture, resolved, random).build(images),
    }),
  };
}

function resolve(name: string, architecture: Architecture, given: FamilyOptions | ModelOptions): Resolved {
  expectOptions(name, given, optionNames);
  const of = (key: keyof FamilyOptions): unknown => given[key];
  const choice = <T extends string | number | boolean>(
    key: keyof FamilyOptions,
    byDefault: T,
    others: readonly T[],
  ): T => choiceOption(name, key, of(key) ?? byDefault, [byDefault, ...others.filter((other) => other !== byDefault)]);
  const least = architecture.leastInputSize;
  const { kernel, stride } = architecture.pooling;

  const place = choice<DropoutPlace>('dropoutPlace', architecture.dropout.place, ['outputs', 'inputs', 'blocks']);
  const dropout = numberOption(name, 'dropout', of('dropout') ?? architecture.dropout.probability, 0, 1);
  if (dropout > 0 && place !== 'blocks' && architecture.dense.length < 2) {
    throw new ArgumentError(
      `${name}: it has no hidden fully connected layer to drop ${place} of, expected dropoutPlace blocks or dropout 0`,
    );
  }
  const lrn = choice<NonNullable<FamilyOptions['lrn']>>('lrn', architecture.hasNorm, [
    true,
    false,
    'paper',
    'source',
    'caffe',
  ]);
  const norm = typeof lrn === 'string' ? norms[lrn] : lrn ? architecture.norm : undefined;
  const order = of('order');
  if (order !== undefined) choiceOption(name, 'order', order, ['norm-pool', 'pool-norm']);
  return {
    classes: integerOption(name, 'classes', of('classes') ?? architecture.classes, 1, 1e6),
    width: numberOption(name, 'width', of('width') ?? 1, 1e-4, 16),
    inputSize: integerOption(name, 'inputSize', of('inputSize') ?? architecture.inputSize, least, 4096),
    dropout,
    towers: choice<1 | 2>('towers', architecture.towers, [1, 2]),
    towerForm: choice('towerForm', 'groups', ['split']),
    dropoutPlace: place,
    activation: choice('activation', 'relu', ['tanh', 'sigmoid']),
    fc: choice('fc', 'linear', ['convolution']),
    init: choice('init', 'preset', ['he']),
    norm,
    pooling: {
      ...architecture.pooling,
      kernel: integerOption(name, 'poolKernel', of('poolKernel') ?? kernel, stride, kernel),
    },
    stages: (stages) =>
      ordered(stages, order).filter((stage) => norm !== undefined || (stage !== 'norm' && stage !== 'mapNorm')),
  };
}

/** The stages with pooling moved behind the last normalisation, or before the first. */
function ordered(stages: readonly Stage[], order: unknown): readonly Stage[] {
  const isNorm = (stage: Stage) => stage === 'norm' || stage === 'mapNorm';
  if (order === undefined || !stages.includes('pool') || !stages.some(isNorm)) return stages;
  const others: readonly Stage[] = stages.filter((stage) => stage !== 'pool');
  const at = order === 'norm-pool' ? others.findLastIndex(isNorm) + 1 : others.findIndex(isNorm);
  return others.toSpliced(at, 0, 'pool');
}
