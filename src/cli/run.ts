import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { openEngine } from '../engine/engine.js';
import { ArgumentError, FileError } from '../errors.js';
import { type OnnxProgram, openOnnxProgram } from '../formats/onnxImport/import.js';
import { optimize } from '../graph/passes.js';
import { formatShape } from '../ops/define.js';
import { makeFolder } from '../train/checkpoint.js';
import { addBackendOptions, type BackendChoice } from './lib/backendOptions.js';
import { assignment } from './lib/options.js';
import { expectFolder, print, writeJson } from './lib/output.js';
import { formatTable } from './lib/table.js';
import { type OneTensor, readTensor, writeTensor } from './lib/tensors.js';

interface RunCommandOptions extends BackendChoice {
  readonly input: Readonly<Record<string, string>>;
  readonly output?: string;
  readonly json?: string;
}

/** An output as it is printed, and written down for scripts. */
interface OutputFacts {
  readonly name: string;
  readonly shape: readonly number[];
  readonly least: number;
  readonly mean: number;
  readonly greatest: number;
  readonly file?: string;
}

/** `tandem run` */
export function runCommand(): Command {
  const command = new Command('run')
    .description('compute an ONNX model that is made of ops Tandem has')
    .argument('<model>', 'an .onnx file')
    .option('--input <name=file>', 'an input of the model: .npy, or a TensorProto (.pb); once for each', assignment, {})
    .option(
      '--output <file>',
      'where to write the output, as .npy, or as a TensorProto where the name ends in .pb; a folder for one .npy file each',
    )
    .option('--json <file>', "write the figures to a file ('-': standard output)")
    .action(run);
  return addBackendOptions(command);
}

async function run(path: string, options: RunCommandOptions): Promise<void> {
  const { json, output } = options;
  if (json !== undefined) await expectFolder(json);
  const onnx = await openOnnxProgram(path);
  try {
    const files = inputFiles(onnx, options.input, path);
    const targets = await outputFiles(onnx.outputs, output);
    const inputs = new Map<string, OneTensor>();
    for (const [name, file] of files) inputs.set(name, await readTensor(file));
    const { graph, weights } = onnx.graph(new Map([...inputs].map(([name, { shape }]) => [name, shape])));
    const optimized = optimize(graph);
    await using engine = await openEngine({ backend: options.backend, threads: options.threads });
    const program = await engine.compile(optimized, { weights });
    const feed = Object.fromEntries([...inputs].map(([name, { data }]) => [name, data]));
    const start = performance.now();
    const { outputs } = await program.run(feed);
    const ms = performance.now() - start;
    const facts: OutputFacts[] = [];
    for (const [name, id] of optimized.outputs) {
      const one = { shape: optimized.values[id].shape, data: outputs[name] };
      const file = targets.get(name);
      if (file !== undefined) await writeTensor(file, name, one);
      facts.push({ name, ...factsOf(one), ...(file === undefined ? {} : { file }) });
    }
    if (json !== '-') print(format(facts));
    if (json === undefined) return;
    const shapes = [...inputs].map(([name, { shape }]) => ({ name, shape, file: files.get(name) }));
    await writeJson(json, { model: path, backend: engine.info, ms, inputs: shapes, outputs: facts });
  } finally {
    await onnx.close();
  }
}

/** The file of each input, or an error that lists what the model wants. */
function inputFiles(onnx: OnnxProgram, given: RunCommandOptions['input'], path: string): ReadonlyMap<string, string> {
  const wanted = [...onnx.inputs].map(([name, shape]) => `--input ${name}=FILE ${shape}`).join(', ');
  for (const name of Object.keys(given)) {
    if (!onnx.inputs.has(name)) throw new ArgumentError(`'${path}' has no input '${name}'; it wants ${wanted}`);
  }
  for (const name of onnx.inputs.keys()) {
    if (!Object.hasOwn(given, name)) {
      throw new ArgumentError(
        `'${path}' wants ${wanted} (.npy or .pb), and computes ${onnx.outputs.join(', ')}; '${name}' is not given`,
      );
    }
  }
  return new Map(Object.entries(given));
}

/** Where each output goes. A path that is a folder, or the place of several outputs, is one file each. */
async function outputFiles(names: readonly string[], path: string | undefined): Promise<ReadonlyMap<string, string>> {
  if (path === undefined) return new Map();
  const isFolder =
    path.endsWith('/') ||
    (await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    ));
  if (names.length === 1 && !isFolder) {
    await expectFolder(path);
    return new Map([[names[0], path]]);
  }
  if (/\.(npy|pb)$/.test(path)) {
    throw new ArgumentError(
      `the model has ${names.length} outputs, ${names.join(', ')}: expected a folder as --output`,
    );
  }
  await makeFolder(path);
  const files = new Map(names.map((name) => [name, join(path, `${name.replace(/[^\w.-]+/g, '_')}.npy`)]));
  if (new Set(files.values()).size < files.size) {
    throw new FileError(`outputs ${names.join(', ')} have names that make the same file`);
  }
  return files;
}

function factsOf({ shape, data }: OneTensor): Omit<OutputFacts, 'name' | 'file'> {
  let [least, greatest, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for (const value of data) {
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
    sum += value;
  }
  return { shape, least, mean: sum / data.length, greatest };
}

function format(outputs: readonly OutputFacts[]): string {
  const figure = (value: number) => value.toPrecision(6);
  const rows = outputs.map(({ name, shape, least, mean, greatest, file = '' }) => [
    name,
    formatShape(shape),
    figure(least),
    figure(mean),
    figure(greatest),
    file,
  ]);
  const columns = (['output', 'shape', 'least', 'mean', 'greatest', 'written to'] as const).map((title) => ({
    title,
    align: ['least', 'mean', 'greatest'].includes(title) ? ('right' as const) : ('left' as const),
  }));
  return formatTable(columns, rows);
}
