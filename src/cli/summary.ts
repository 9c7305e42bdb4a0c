import { Command } from 'commander';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, Node } from '../graph/graph.js';
import type { Model } from '../models/model.js';
import { preset } from '../models/presets.js';
import { type Cost, elements } from '../ops/define.js';
import { wholeNumber } from './lib/options.js';
import { print, writeJson } from './lib/output.js';
import { formatBytes, formatCount, formatExtents, formatLarge, formatSignificant, formatTable } from './lib/table.js';

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

/** `tandem summary MODEL` */
export function summaryCommand(): Command {
  return new Command('summary')
    .description('layers of a network with their shapes, parameters and multiply-adds')
    .argument('<model>', "a preset, such as 'caffe-alexnet'")
    .option('--cost', 'add the floating-point operations and bytes that forward takes for a batch')
    .option('--batch <n>', 'images in that batch', wholeNumber(1), 1)
    .option('--json <file>', "write the figures to a file ('-': standard output)")
    .action(async (name: string, options: { cost?: boolean; batch: number; json?: string }) => {
      const model = preset(name);
      const layers = summarize(model, options.batch);
      if (options.json !== '-') print(formatSummary(model, layers, options.cost ? options.batch : undefined));
      if (options.json !== undefined) await writeJson(options.json, summaryJson(model, layers, options));
    });
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
    const costs = nodes.map((node) => costOf(graph, node));
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

function costOf(graph: Graph, { op, attributes, inputs, outputs }: Node): Cost {
  // An alias moves nothing.
  if (op.alias) return { macs: 0, flops: 0, bytes: 0 };
  const types = (ids: readonly number[]) => ids.map((id) => graph.values[id]);
  return op.cost(attributes, types(inputs), types(outputs));
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

function formatSummary(model: Model, layers: readonly LayerSummary[], batch: number | undefined): string {
  const row = (
    first: string[],
    figures: { parameters: number; macs: number },
    cost: { flops: number; bytes: number },
  ) => [
    ...first,
    formatCount(figures.parameters),
    formatCount(figures.macs),
    ...(batch === undefined ? [] : [formatLarge(cost.flops), formatBytes(cost.bytes), intensity(cost)]),
  ];
  const all = totals(layers);
  const costColumns = batch === undefined ? [] : ['FLOPs', 'bytes', 'FLOPs/byte'];
  const table = formatTable(
    [
      { title: 'layer', align: 'left' },
      { title: 'op', align: 'left' },
      { title: 'output', align: 'left' },
      ...['parameters', 'multiply-adds', ...costColumns].map((title) => ({ title, align: 'right' as const })),
    ],
    layers.map((layer) => row([layer.name, layer.op, formatExtents(layer.outputShape)], layer, layer.cost)),
    row(['total', '', ''], all, all),
  );
  const title = `${model.name}: images of ${formatExtents(model.inputShape)}, ${formatCount(model.classes)} classes`;
  const notes = [
    `Parameters take ${formatBytes(4 * all.parameters)} as float32. Multiply-adds are those of one image, forward, without bias.`,
    ...(batch === undefined
      ? []
      : [
          `FLOPs and bytes are those of forward at batch ${batch}; each layer reads its inputs and writes its output once.`,
        ]),
  ];
  return `${title}\n\n${table}\n\n${notes.join('\n')}`;
}

function intensity({ flops, bytes }: { flops: number; bytes: number }): string {
  return bytes === 0 ? '–' : formatSignificant(flops / bytes);
}

function summaryJson(model: Model, layers: readonly LayerSummary[], options: { cost?: boolean; batch: number }) {
  const { parameters, macs, flops, bytes } = totals(layers);
  return {
    model: model.name,
    parameters,
    macs,
    ...(options.cost ? { batch: options.batch, flops, bytes } : {}),
    layers: layers.map(({ cost, ...layer }) =>
      options.cost ? { ...layer, flops: cost.flops, bytes: cost.bytes } : layer,
    ),
  };
}
