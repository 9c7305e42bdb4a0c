import { Command, Option } from 'commander';
import { type BackendOptions, openBackend } from '../backends/open.js';
import { BackendError } from '../errors.js';
import { formatReport } from '../verify/report.js';
import { type Contestant, verify } from '../verify/verify.js';
import { adapterOption } from './lib/adapter.js';
import { words } from './lib/options.js';
import { exit, expectFolder, print, writeJson } from './lib/output.js';
import { Progress } from './lib/progress.js';

/** A backend as it is opened for checking. */
interface Setting {
  readonly label: string;
  readonly options: BackendOptions;
}

/** Results must not depend on the number of threads, so every build is checked with one and with two. */
function wasm(simd: 'relaxed' | 'plain'): readonly Setting[] {
  return [1, 2].map((threads) => ({ label: `wasm ${simd} ×${threads}`, options: { backend: 'wasm', simd, threads } }));
}

/** What `--backend` understands. */
const settings = {
  wasm: [...wasm('relaxed'), ...wasm('plain')],
  'wasm-relaxed': wasm('relaxed'),
  'wasm-plain': wasm('plain'),
  webgpu: [{ label: 'webgpu', options: { backend: 'webgpu' } }],
  reference: [{ label: 'reference', options: { backend: 'reference' } }],
} as const satisfies Record<string, readonly Setting[]>;
type Choice = keyof typeof settings;
const choices = Object.keys(settings) as Choice[];

interface VerifyCommandOptions {
  readonly quick?: boolean;
  readonly op?: string;
  readonly backend: readonly Choice[];
  readonly algorithm?: string;
  readonly json?: string;
}

/** `tandem verify` */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('check every kernel on this machine against a float64 reference and against its mirrors')
    .option('--quick', 'small cases only')
    .option('--op <name>', 'cases of one op only, with its gradients')
    .addOption(
      new Option('--backend <list>', `any of ${choices.join(', ')}`)
        .argParser(words(choices))
        .default(['wasm'], 'wasm'),
    )
    .addOption(adapterOption())
    .option('--algorithm <name>', 'only nodes that have this algorithm, and only with it')
    .option('--json <file>', "write all results to a file ('-': standard output)")
    .action(runVerify);
}

async function runVerify(options: VerifyCommandOptions): Promise<void> {
  const quiet = options.json === '-';
  if (options.json !== undefined) await expectFolder(options.json);
  const { contestants, absent } = await openContestants(options.backend);
  const progress = new Progress('verify');
  try {
    if (!quiet) for (const note of absent) print(note);
    const report = await verify({
      backends: contestants,
      quick: options.quick,
      op: options.op,
      algorithm: options.algorithm,
      onCase: (done, total, next) => progress.update(done, total, `${next.op.name}: ${next.name}`.slice(0, 50)),
    });
    progress.stop();
    if (!quiet) print(formatReport(report));
    if (options.json !== undefined) await writeJson(options.json, report);
    if (report.summary.failed > 0) process.exitCode = exit.checkFailed;
  } finally {
    progress.stop();
    for (const { backend } of contestants) await backend.close();
  }
}

/** Everything that was asked for and is to be had here; what is not is named, and an error only when nothing is left. */
async function openContestants(asked: readonly Choice[]): Promise<{ contestants: Contestant[]; absent: string[] }> {
  const contestants: Contestant[] = [];
  const absent: string[] = [];
  // In the order of the list above, whatever the order asked for: the first is the mirror of the others.
  const wanted = new Map(
    choices
      .filter((choice) => asked.includes(choice))
      .flatMap((choice) => settings[choice].map(({ label, options }) => [label, options] as const)),
  );
  for (const [label, options] of wanted) {
    try {
      contestants.push({ label, backend: await openBackend(options) });
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      absent.push(`${label} is not checked: ${error.message}`);
    }
  }
  if (contestants.length === 0) throw new BackendError(absent.join('; '));
  return { contestants, absent };
}
