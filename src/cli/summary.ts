import { Command } from 'commander';
import { defaultThreads } from '../backends/wasm/platform.js';
import { ArgumentError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import { nodeCost } from '../graph/costs.js';
import type { Model } from '../models/model.js';
import { preset } from '../models/presets.js';
import { type Cost, elements } from '../ops/define.js';
import { positiveNumber, wholeNumber, wholeNumbers } from './lib/options.js';
import { print, writeJson } from './lib/output.js';
import { formatStepCosts, type Peak, type StepCosts, stepCosts } from './lib/stepCosts.js';
import { formatBytes, formatCount, formatExtents, formatTable } from './lib/table.js';

/** One layer for one image; FLOPs and bytes are those of forward for the whole batch. */
export interface LayerSummary {
  readonly name: string;
  readonly op: string;
  /** Without the batch: [C, H, W] or [K]. */
  readonly outputShape: readonly number[];
  readonly parameters: number;
  readonly macs: number;
  readonly cost: Cost;
}

interface SummaryOptions {
  readonly cost?: boolean;
  readonly batch: readonly number[];
  readonly threads?: number;
  readonly gflops?: number;
  readonly bandwidth?: number;
  readonly json?: string;
}

/** `tandem summary MODEL` */
export function summaryCommand(): Command {
  return new Command('summary')
    .description('layers of a network with their shapes, parameters and multiply-adds')
    .argument('<model>', "a preset, such as 'caffe-alexnet'")
    .option('--cost', 'add what a forward run and a training step take: operations, bytes, memory by batch')
    .option('--batch <list>', 'images in those batches; the layers are shown for the first', wholeNumbers(1), [1])
    .option('--threads <n>', 'threads that the memory is planned for; those of this machine by default', wholeNumber(1))
    .option('--gflops <n>', 'GFLOP/s of a machine, for the time that it takes at least', positiveNumber)
    .option('--bandwidth <n>', 'GB/s of its memory, for the same', positiveNumber)
    .option('--json <file>', "write the figures to a file ('-': standard output)")
    .action(async (name: string, options: SummaryOptions) => {
      const model = preset(name);
      const peak = peakOf(options);
      const layers = summarize(model, options.batch[0]);
      const threads = options.threads ?? (await defaultThreads());
      const costs = options.cost ? options.batch.map((batch) => stepCosts(model, batch, threads, peak)) : [];
      if (options.json !== '-') {
        print(formatSummary(model, layers));
        if (options.cost) print(`\n${formatStepCosts(costs, threads)}`);
      }
      if (options.json !== undefined) await writeJson(options.json, summaryJson(model, layers, costs));
    });
}

/** @throws ArgumentError when one is given without the other, or without a use for them */
function peakOf({ cost, gflops, bandwidth }: SummaryOptions): Peak | undefined {
  if (gflops === undefined && bandwidth === undefined) return undefined;
  if (gflops === undefined || bandwidth === undefined || !cost) {
    throw new ArgumentError('--gflops and --bandwidth come together, and with --cost');
  }
  return { flops: gflops * 1e9, bytes: bandwidth * 1e9 };
}

/** The layers of a model as its training graph has them (with dropout), and the softmax at the end. */
export function summarize(model: Model, batch = 1): LayerSummary[] {
  const g = new GraphBuilder(model.name);
  const images = g.input('images', [batch, ...model.inputShape]);
  const { logits } = model.build(g, images, g.input('random', [4], 'i32'));
  g.softmax(logits, { name: 'softmax' });
  const graph = g.build();
  const counted = new Set<number>();
  return [...new Set(graph.nodes.map(({ layer }) => layer))].map((layer) => {
    const nodes = graph.nodes.filter((node) => node.layer === layer);
    const costs = nodes.map((node) => nodeCost(graph, node));
    const sum = (figure: keyof Cost) => costs.reduce((total, cost) => total + cost[figure], 0);
    let parameters = 0;
    for (const id of nodes.flatMap((node) => node.inputs)) {
      if (graph.values[id].kind !== 'variable' || counted.has(id)) continue;
      counted.add(id);
      parameters += elements(graph.values[id].shape);
    }
    const last = nodes[nodes.length - 1];
    return {
      name: layer,
      op: last.op.name,
      outputShape: graph.values[last.outputs[0]].shape.slice(1),
      parameters,
      macs: sum('macs') / batch,
      cost: { macs: sum('macs'), flops: sum('flops'), bytes: sum('bytes') },
    };
  });
}

function totals(layers: readonly LayerSummary[]) {
  const sum = (figure: (layer: LayerSummary) => number) => layers.reduce((total, layer) => total + figure(layer), 0);
  return {
    parameters: sum((layer) => layer.parameters),
    macs: sum((layer) => layer.macs),
    flops: sum((layer) => layer.cost.flops),
    bytes: sum((layer) => layer.cost.bytes),
  };
}

function formatSummary(model: Model, layers: readonly LayerSummary[]): string {
  const row = (first: string[], { parameters, macs }: { parameters: number; macs: number }) => [
    ...first,
    formatCount(parameters),
    formatCount(macs),
  ];
  const all = totals(layers);
  const table = formatTable(
    [
      ...['layer', 'op', 'output'].map((title) => ({ title, align: 'left' as const })),
      ...['parameters', 'multiply-adds'].map((title) => ({ title, align: 'right' as const })),
    ],
    layers.map((layer) => row([layer.name, layer.op, formatExtents(layer.outputShape)], layer)),
    row(['total', '', ''], all),
  );
  const title = `${model.name}: images of ${formatExtents(model.inputShape)}, ${formatCount(model.classes)} classes`;
  const note = `Parameters take ${formatBytes(4 * all.parameters)} as float32. Multiply-adds are those of one image, forward, without bias.`;
  return `${title}\n\n${table}\n\n${note}`;
}

/** @param costs none when they were not asked for; the figures of the layers are those of the first */
function summaryJson(model: Model, layers: readonly LayerSummary[], costs: readonly StepCosts[]) {
  const { parameters, macs, flops, bytes } = totals(layers);
  const [first] = costs;
  return {
    model: model.name,
    parameters,
    macs,
    ...(first && { batch: first.batch, flops, bytes, costs }),
    layers: layers.map(({ cost, ...layer }) => (first ? { ...layer, flops: cost.flops, bytes: cost.bytes } : layer)),
  };
}
