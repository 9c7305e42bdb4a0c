import { Command } from 'commander';
import { ArgumentError } from '../errors.js';
import { openWeights } from '../formats/network.js';
import { initialValues } from '../graph/initialValues.js';
import type { Model } from '../models/model.js';
import { preset } from '../models/presets.js';
import { writeModel } from './lib/onnxFile.js';
import { weightsOption, wholeNumber } from './lib/options.js';
import { print } from './lib/output.js';

interface ExportOptions {
  readonly model?: string;
  readonly weights?: string;
  readonly onnx: string;
  readonly seed: number;
}

/** `tandem export` */
export function exportCommand(): Command {
  return new Command('export')
    .description('write a network as an ONNX model for inference, at any batch size')
    .option('--model <name>', "a preset, such as 'caffe-alexnet'; not needed with weights that say what they are of")
    .addOption(weightsOption())
    .option('--seed <n>', 'of the initial values, without --weights', wholeNumber(0), 1)
    .requiredOption('--onnx <file>', 'the file to write')
    .action(async (options: ExportOptions) => {
      const model =
        options.weights === undefined ? await exportInitial(options) : await exportWeights(options, options.weights);
      print(
        `${options.onnx}: ${model.name}, images [N, ${model.inputShape.join(', ')}] → logits, probabilities [N, ${model.classes}]`,
      );
    });
}

async function exportWeights(options: ExportOptions, path: string): Promise<Model> {
  const { model, file } = await openWeights(path, { model: options.model });
  try {
    await writeModel(options.onnx, model, (name) => file.read(name));
  } finally {
    await file.close();
  }
  return model;
}

async function exportInitial({ model: name, onnx, seed }: ExportOptions): Promise<Model> {
  if (name === undefined) throw new ArgumentError('export needs --model NAME or --weights FILE');
  const model = preset(name);
  await writeModel(onnx, model, (variable, graph) => {
    const value = graph.values.find((candidate) => candidate.name === variable);
    if (!value?.variable) throw new ArgumentError(`${model.name} has no variable '${variable}'`);
    return initialValues(value.variable.init, value.shape, seed, variable);
  });
  return model;
}
