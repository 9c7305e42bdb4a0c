import { Command } from 'commander';
import type { Backend, KernelSource, Storage } from '../backends/backend.js';
import { type BackendName, backendNames, openBackend } from '../backends/open.js';
import { inferenceGraph } from '../engine/graphs.js';
import { ArgumentError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { preset } from '../models/presets.js';
import type { NodeTuning, Plan } from '../plan/plan.js';
import { adapterOption, tuneOptions } from './lib/adapter.js';
import { wholeNumber, word } from './lib/options.js';
import { print, writeJson } from './lib/output.js';
import { trainingGraph } from './lib/stepCosts.js';
import { formatBytes, formatLarge, formatSignificant, formatTable } from './lib/table.js';

interface PlanOptions {
  readonly batch: number;
  readonly mode: 'inference' | 'training';
  readonly backend: BackendName;
  readonly threads?: number;
  readonly tune?: boolean;
  readonly source?: boolean;
  readonly json?: string;
}

/** `tandem plan MODEL` */
export function planCommand(): Command {
  const command = new Command('plan');
  for (const option of tuneOptions()) command.addOption(option);
  return command
    .description('how a network will be computed: algorithms, kernels, buffers, bytes; computes nothing')
    .argument('<model>', "a preset, such as 'caffe-alexnet'")
    .option('--batch <n>', 'images in a batch', wholeNumber(1), 1)
    .option(
      '--mode <mode>',
      'inference, or training: forward, backward and update',
      word(['inference', 'training']),
      'inference',
    )
    .option('--backend <name>', backendNames.join(' or '), word(backendNames), 'wasm')
    .addOption(adapterOption())
    .option('--threads <n>', 'threads; those of this machine by default', wholeNumber(1))
    .option(
      '--source',
      'print the kernels as they are compiled for this network instead, of backends that make them so',
    )
    .option('--json <file>', "write the plan to a file ('-': standard output)")
    .action(async (name: string, options: PlanOptions) => {
      const model = preset(name);
      const graphOf = options.mode === 'inference' ? inferenceGraph : trainingGraph;
      const graph = graphOf(model, options.batch);
      const backend = await openBackend({ backend: options.backend, threads: options.threads, tune: options.tune });
      try {
        const { plan, sources } = await compileOn(backend, graph);
        if (options.source && !sources) {
          throw new ArgumentError(
            `--source: the kernels of the ${backend.info.name} backend are the same for all networks`,
          );
        }
        if (options.json !== '-') {
          print(options.source ? formatSources(sources ?? []) : formatPlan(plan, options, backend.info.description));
        }
        if (options.json !== undefined) {
          const { batch, mode } = options;
          await writeJson(options.json, { ...plan, batch, mode, ...(options.source && { sources }) });
        }
      } finally {
        await backend.close();
      }
    });
}

/** Compiles with variables that are never filled. */
async function compileOn(backend: Backend, graph: Graph) {
  const variables = new Map<number, Storage>();
  for (const value of graph.values) {
    if (value.kind === 'variable') variables.set(value.id, backend.allocate(value, value.name));
  }
  const executable = await backend.compile(graph, variables);
  return { plan: executable.plan, sources: executable.sources?.() };
}

/** The constants stand in the source as declarations. */
function formatSources(sources: readonly KernelSource[]): string {
  return sources.map(({ kernel, source }) => `// ${`${kernel} `.padEnd(100, '─')}\n${source.trim()}\n`).join('\n');
}

/** The times that decided, the fastest first. */
function formatTuning(tuning: readonly NodeTuning[]): string {
  const times = ({ ms }: NodeTuning) =>
    Object.entries(ms)
      .sort(([, a], [, b]) => a - b)
      .map(([name, time]) => `${name} ${formatSignificant(time)}`);
  return formatTable(
    ['tuned by measurement', 'op', 'algorithms, ms'].map((title) => ({ title, align: 'left' })),
    tuning.map((node) => [node.node, node.op, times(node).join(', ')]),
  );
}

function formatPlan(plan: Plan, { batch, mode }: PlanOptions, description: string): string {
  const left = (title: string) => ({ title, align: 'left' as const });
  const right = (title: string) => ({ title, align: 'right' as const });
  const steps = formatTable(
    [
      right('step'),
      left('phase'),
      left('layer'),
      left('op'),
      left('algorithm'),
      left('kernel'),
      right('FLOPs'),
      right('bytes'),
    ],
    plan.steps.map((step, i) => [
      String(i),
      step.phase,
      step.layer,
      step.op,
      step.algorithm,
      step.kernel,
      step.flops === 0 ? '–' : formatLarge(step.flops),
      step.bytes === 0 ? '–' : formatBytes(step.bytes),
    ]),
  );
  const buffers = formatTable(
    [left('buffer'), right('bytes'), right('offset'), right('first step'), right('last step')],
    plan.buffers.map(({ name, bytes, offset, first, last }) => [
      name,
      formatBytes(bytes),
      String(offset),
      String(first),
      String(last),
    ]),
  );
  const { variables, packed, arena, total } = plan.bytes;
  return [
    `${plan.graph}, ${mode} at batch ${batch} on ${description}`,
    '',
    steps,
    '',
    buffers,
    '',
    ...(plan.tuning ? [formatTuning(plan.tuning), ''] : []),
    `Memory: variables ${formatBytes(variables)}, packed parameters ${formatBytes(packed)}, arena ${formatBytes(arena)}; ` +
      `${formatBytes(total)} in all.`,
  ].join('\n');
}
