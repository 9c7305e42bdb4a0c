/**
 * Proof that what is exported computes the same elsewhere:
 *
 *     node dist/bench/exchange/run.js PHOTO [--model NAME,…] [--backend wasm,webgpu] [--adapter software]
 *     node dist/bench/exchange/run.js --weights FILE --data FOLDER
 *
 * The first runs presets whole, with random weights, on a photograph, in onnxruntime and on our backends, and compares the logits; the second counts
 * the right answers of a trained network on a test set, there and here. Exit status 1 where they differ.
 */
import { Command } from 'commander';
import { type BackendName, backendNames } from '../../src/backends/open.js';
import { enableRelaxedSimd } from '../../src/backends/wasm/platform.js';
import { adapterOption, provideAdapter } from '../../src/cli/lib/adapter.js';
import { wholeNumber, words } from '../../src/cli/lib/options.js';
import { exit, expectFolder, oneLine, print, reportFailure, writeJson } from '../../src/cli/lib/output.js';
import { Progress } from '../../src/cli/lib/progress.js';
import { formatTable } from '../../src/cli/lib/table.js';
import { openData } from '../../src/data/openData.js';
import { loadImages } from '../../src/data/preprocess.js';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { ArgumentError } from '../../src/errors.js';
import { loadNetwork } from '../../src/formats/network.js';
import { preset, presets } from '../../src/models/presets.js';
import { agreementBound } from '../agreement.js';
import { compareAccuracy } from './accuracy.js';
import { compareLogits, type LogitDifference } from './logits.js';

interface Options {
  readonly model: readonly string[];
  readonly backend: readonly BackendName[];
  readonly seed: number;
  readonly weights?: string;
  readonly data?: string;
  readonly json?: string;
}

type Work = (engines: readonly Engine[]) => Promise<boolean>;

/** What there is to do: it resolves to whether there and here agree. */
function workOf(photo: string | undefined, options: Options): Work {
  const { weights, data, json } = options;
  if (weights !== undefined && data !== undefined) return (engines) => accuracies(engines, weights, data, json);
  if (photo !== undefined && weights === undefined && data === undefined) {
    return (engines) => logits(engines, photo, options);
  }
  throw new ArgumentError('expected a photograph, or --weights FILE and --data FOLDER');
}

async function run(work: Work, { backend: names, json }: Options): Promise<boolean> {
  if (json !== undefined) await expectFolder(json);
  const engines: Engine[] = [];
  try {
    for (const backend of names) engines.push(await openEngine({ backend }));
    return await work(engines);
  } finally {
    for (const engine of engines) await engine.close();
  }
}

async function logits(engines: readonly Engine[], photo: string, { model: names, seed, json }: Options) {
  const progress = new Progress('exchange');
  const differences: LogitDifference[] = [];
  try {
    for (const [done, name] of names.entries()) {
      progress.update(done, names.length, name);
      const model = preset(name);
      const images = await loadImages([photo], model.preprocessing);
      differences.push(...(await compareLogits(model, images, engines, seed)));
    }
  } finally {
    progress.stop();
  }
  const columns = [
    { title: 'network', align: 'left' },
    { title: 'backend', align: 'left' },
    { title: 'max|Δ|/max|logits|', align: 'right' },
    { title: `at most ${agreementBound}`, align: 'left' },
  ] as const;
  const agree = ({ difference }: LogitDifference) => difference <= agreementBound;
  const rows = differences.map((each) => [
    each.model,
    each.backend,
    each.difference.toExponential(1),
    agree(each) ? 'agree' : 'DIFFER',
  ]);
  if (json !== undefined) await writeJson(json, { results: differences });
  if (json !== '-') print(formatTable(columns, rows));
  return differences.every(agree);
}

async function accuracies(engines: readonly Engine[], weights: string, data: string, json: string | undefined) {
  const progress = new Progress('exchange');
  const results = [];
  for (const engine of engines) {
    const network = await loadNetwork(engine, weights);
    const { preprocessing, augmentation } = network.model;
    const splits = await openData(data, { preprocessing, augmentation });
    try {
      if (!splits.test) throw new ArgumentError(`'${data}' has no test images`);
      const counts = await compareAccuracy(engine, network, splits.test, (done, total) => progress.update(done, total));
      results.push({ model: network.model.name, backend: engine.info.name, ...counts });
    } finally {
      progress.stop();
      for (const each of Object.values(splits)) await each?.close();
      await network.close();
    }
  }
  if (json !== undefined) await writeJson(json, { results });
  if (json !== '-') {
    const lines = results.map(
      ({ model, backend, images, rightHere, rightThere }) =>
        `${model}: of ${images} test images ${rightHere} right on ${backend}, ${rightThere} in onnxruntime`,
    );
    print(lines.join('\n'));
  }
  return results.every(({ rightHere, rightThere }) => rightHere === rightThere);
}

const command = new Command('exchange')
  .description('run exported networks in onnxruntime and compare')
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(`${oneLine(text)}\n`) })
  .argument('[photo]', 'an image to run presets on')
  .option('--model <names>', 'presets, all by default', words([...presets.keys()]), [...presets.keys()])
  .option('--backend <names>', 'ours', words(backendNames), ['wasm', 'webgpu'] as const)
  .addOption(adapterOption())
  .option('--seed <n>', 'of the random weights', wholeNumber(0), 1)
  .option('--weights <file>', 'a network that was trained')
  .option('--data <source>', 'whose test images it classifies')
  .option('--json <file>', "write the figures to a file ('-': standard output)");

try {
  command.parse();
  await provideAdapter(command);
  await enableRelaxedSimd();
  const options = command.opts<Options>();
  const agree = await run(workOf(command.args[0], options), options);
  process.exitCode = agree ? exit.fine : exit.checkFailed;
} catch (error) {
  process.exitCode = reportFailure(error);
}
