/** `tandem summary --cost`: what a training step and a forward run take, in operations, bytes, memory and time at given peaks. */
import { planGraph } from '../../backends/wasm/plan.js';
import { inferenceGraph, lossGraph, stepGraph } from '../../engine/graphs.js';
import { addCosts, type LayerCost, layerCosts, type Phase, phases, rooflineTime } from '../../graph/costs.js';
import type { Graph } from '../../graph/graph.js';
import type { Model } from '../../models/model.js';
import type { Cost } from '../../ops/define.js';
import { type Footprint, footprint } from '../../plan/footprint.js';
import { formatBytes, formatLarge, formatSignificant, formatTable } from './table.js';

/** FLOP/s and bytes/s. */
export interface Peak {
  readonly flops: number;
  readonly bytes: number;
}

/** Costs are those of the whole batch, `forward` that of a step; memory is in bytes, as the wasm backend plans it. */
export interface StepCosts extends Readonly<Record<Phase | 'step', Cost>> {
  readonly batch: number;
  readonly layers: readonly LayerCost[];
  readonly memory: { readonly inference: Footprint; readonly training: Footprint };
  /** Lower bounds at a peak. */
  readonly milliseconds?: { readonly forward: number; readonly step: number };
}

/** The training step of a model, all parameters trained as its recipe says. */
export function trainingGraph(model: Model, batch: number): Graph {
  const variables = inferenceGraph(model, 1).values.filter(({ kind }) => kind === 'variable');
  return stepGraph(
    model,
    batch,
    variables.map(({ name }) => name),
    model.recipe.optimizer,
  );
}

export function stepCosts(model: Model, batch: number, threads: number, peak?: Peak): StepCosts {
  const step = trainingGraph(model, batch);
  const inference = inferenceGraph(model, batch);
  const layers = inOrder(layerCosts(step), model);
  const sum = (of: readonly Phase[]) => layers.flatMap((layer) => of.map((phase) => layer[phase])).reduce(addCosts);
  const [forward, backward, update] = phases.map((phase) => sum([phase]));
  return {
    batch,
    ...{ forward, backward, update, step: sum(phases) },
    layers,
    memory: {
      inference: footprint(inference, planGraph(inference, { threads })),
      training: footprint(step, planGraph(step, { threads })),
    },
    ...(peak && {
      milliseconds: {
        forward: 1000 * rooflineTime(step, ['forward'], peak),
        step: 1000 * rooflineTime(step, phases, peak),
      },
    }),
  };
}

/** In the order of the network: what is fused with another layer appears first in the backward pass. */
function inOrder(layers: readonly LayerCost[], model: Model): readonly LayerCost[] {
  const order = lossGraph(model, 1).nodes.map(({ layer }) => layer);
  return [...layers].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

/** @param all at least one; the layers are those of the first */
export function formatStepCosts(all: readonly StepCosts[], threads: number): string {
  const [first] = all;
  return [
    `A training step at batch ${first.batch}: FLOPs, bytes, and FLOPs per byte where there are any`,
    layerTable(first),
    'Per image by batch',
    imageTable(all),
    'Memory by batch',
    memoryTable(all),
    [
      'FLOPs are those of the plain algorithms (Winograd’s needs fewer); bytes count what each op reads and writes, once.',
      ...(first.milliseconds
        ? ['Times are the least at these peaks: each op waits for arithmetic or for memory.']
        : []),
      `Memory is what the wasm backend plans with ${threads} thread${threads === 1 ? '' : 's'}. A gradient lives until its update; those of fully connected weights are never stored.`,
    ].join('\n'),
  ].join('\n\n');
}

const right = (title: string) => ({ title, align: 'right' as const });
const left = (title: string) => ({ title, align: 'left' as const });

function layerTable({ batch, layers, forward, backward, update }: StepCosts): string {
  const row = (name: string, costs: Readonly<Record<Phase, Cost>>, divisor = 1) => [
    name,
    ...phases.flatMap((phase) => cells(costs[phase], divisor)),
  ];
  const all = { forward, backward, update };
  return formatTable(
    [left('layer'), ...phases.flatMap((phase) => [phase, 'bytes', 'per byte'].map(right))],
    layers.map((layer) => row(layer.name, layer)),
    row('total', all),
    row('an image', all, batch),
  );
}

function imageTable(all: readonly StepCosts[]): string {
  const times = all[0].milliseconds ? ['forward ms', 'images/s', 'step ms', 'images/s'] : [];
  return formatTable(
    [...['batch', 'forward', 'bytes', 'per byte', 'step', 'bytes', 'per byte'], ...times].map(right),
    all.map(({ batch, forward, step, milliseconds: ms }) => [
      String(batch),
      ...cells(forward, batch),
      ...cells(step, batch),
      ...(ms ? [ms.forward, ms.step] : []).flatMap((time) => [time, (1000 * batch) / time].map(formatSignificant)),
    ]),
  );
}

function memoryTable(all: readonly StepCosts[]): string {
  const titles = ['parameters', 'optimizer', 'activations', 'workspace', 'of it gradients', 'training', 'inference'];
  return formatTable(
    ['batch', ...titles].map(right),
    all.map(({ batch, memory: { training, inference } }) => {
      const { parameters, state, activations, workspace, gradients, total } = training;
      const bytes = [parameters, state, activations, workspace, gradients, total, inference.total];
      return [String(batch), ...bytes.map(formatBytes)];
    }),
  );
}

function cells({ flops, bytes }: Cost, divisor: number): string[] {
  if (bytes === 0) return ['–', '–', '–'];
  return [formatLarge(flops / divisor), formatBytes(bytes / divisor), formatSignificant(flops / bytes)];
}
