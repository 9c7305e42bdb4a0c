/** The programs of one network: for each kind of call, batch size and choice of parameters one, compiled when first asked for. */
import type { Executable } from '../backends/backend.js';
import { ArgumentError } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { quantiseLinear } from '../graph/quantise.js';
import type { NetworkDefinition } from './definition.js';
import { accumulationGraph, gradientsGraph, inferenceGraph, stepGraph, updateGraph } from './graphs.js';
import type { StoredImages } from './imageInput.js';
import type { OptimizerSettings } from './optimizer.js';
import type { ProgramCache } from './programs.js';
import type { Rates } from './rates.js';

/** A batch as far as programs depend on it. */
export interface BatchForm {
  readonly batch: number;
  /** How the graph begins, where images are bytes. */
  readonly stored?: StoredImages;
}

export class NetworkPrograms {
  /** @param int16 whether the weights of fully connected layers are stored as int16 */
  constructor(
    private readonly cache: ProgramCache,
    private readonly model: NetworkDefinition,
    private readonly optimizer: OptimizerSettings,
    private readonly int16: boolean,
  ) {}

  inference({ batch, stored }: BatchForm, layers: readonly string[]): Promise<Executable> {
    return this.cache.get(`inference ${form(batch, stored)} ${layers}`, () =>
      this.stored(inferenceGraph(this.model, batch, layers, stored)),
    );
  }

  gradients({ batch, stored }: BatchForm, of: readonly string[], dropout: boolean): Promise<Executable> {
    return this.cache.get(`gradients ${form(batch, stored)} ${dropout} ${of}`, () =>
      gradientsGraph(this.model, batch, of, dropout, stored),
    );
  }

  step({ batch, stored }: BatchForm, { trained, groups }: Rates): Promise<Executable> {
    expectTrained(trained);
    return this.cache.get(`step ${form(batch, stored)} ${trained} ${groups}`, () =>
      stepGraph(this.model, batch, trained, this.optimizer, { groups, stored }),
    );
  }

  /** Adds up the gradients of a part of a batch. */
  accumulation({ batch, stored }: BatchForm, { trained }: Rates): Promise<Executable> {
    expectTrained(trained);
    return this.cache.get(`accumulation ${form(batch, stored)} ${trained}`, () =>
      accumulationGraph(this.model, batch, trained, stored),
    );
  }

  /** Updates parameters with the gradients that have been added up. */
  update({ trained, groups }: Rates): Promise<Executable> {
    return this.cache.get(`update ${trained} ${groups}`, () =>
      updateGraph(this.model, trained, this.optimizer, groups),
    );
  }

  /** Frees all of them. */
  clear(): void {
    this.cache.clear();
  }

  /** The graph with its weights as this network stores them. */
  stored(graph: Graph): Graph {
    return this.int16 ? quantiseLinear(graph) : graph;
  }
}

function form(batch: number, stored: StoredImages | undefined): string {
  return stored ? `${batch} ${JSON.stringify(stored)}` : `${batch}`;
}

function expectTrained(trained: readonly string[]): void {
  if (trained.length === 0) throw new ArgumentError('all parameters are frozen: there is nothing to train');
}
