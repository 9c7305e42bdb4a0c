import type { Backend, Storage } from '../backends/backend.js';
import { concurrently } from '../concurrently.js';
import { ArgumentError, InputError } from '../errors.js';
import type { Graph, VariableSpec } from '../graph/graph.js';
import { scaleName } from '../graph/quantise.js';
import { elements, formatShape, sameShape, type TensorType } from '../ops/define.js';
import { type Quantisation, QuantisedWeight } from './quantisation.js';
import { checkTensors, hasTensors, type WeightArrays, type WeightSource, type WeightTensors } from './weights.js';

interface Variable {
  readonly type: TensorType;
  readonly spec: VariableSpec;
  /** Made when a program or a caller first needs it: an optimizer's state takes no memory before the first step. */
  storage?: Storage;
  /** Settles when the storage holds its initial value. */
  initialised?: Promise<void>;
  /** Of an int16 weight: what callers see of it. */
  quantised?: QuantisedWeight;
}

/**
 * The variables of one network by name, in the backend's memory. It outlives the programs that read and write it:
 * training, evaluation and ragged batches all work on the same storage. Callers see float32: an int16 weight is quantised, with the
 * variable that holds its scales, when it is written, and multiplied out when it is read.
 */
export class ParameterStore {
  private readonly variables = new Map<string, Variable>();

  /** @param seed of the initial values: the same seed gives the same values, whatever other variables there are */
  constructor(
    private readonly backend: Backend,
    readonly seed: number,
  ) {}

  /** Takes note of the variables of a graph; those that are known already must have the type that they have there. */
  declare(graph: Graph): void {
    for (const { kind, name, dtype, shape, variable } of graph.values) {
      if (kind !== 'variable' || !variable) continue;
      const known = this.variables.get(name);
      if (!known) this.variables.set(name, { type: { dtype, shape }, spec: variable });
      else if (!sameShape(known.type.shape, shape) || known.type.dtype !== dtype) {
        const { type } = known;
        throw new ArgumentError(
          `'${name}' has shape ${formatShape(type.shape)} (${type.dtype}), graph '${graph.name}' wants ${formatShape(shape)} (${dtype})`,
        );
      }
    }
  }

  /** Names of all variables of a role, in the order of their declaration. */
  names(role: VariableSpec['role'] = 'parameter'): string[] {
    return [...this.variables].filter(([, { spec }]) => spec.role === role).map(([name]) => name);
  }

  /** @throws ArgumentError for a name that is not here */
  shape(name: string): readonly number[] {
    return this.find(name).type.shape;
  }

  spec(name: string): VariableSpec {
    return this.find(name).spec;
  }

  /** Of all int16 weights that hold something, in the order of their declaration. */
  quantisation(): Quantisation[] {
    return [...this.variables.values()].flatMap(({ quantised }) => quantised?.quantisation ?? []);
  }

  /** Gives each parameter its first value: from `weights`, or drawn. */
  async initialise(weights?: WeightSource): Promise<void> {
    if (weights && hasTensors(weights)) await this.load(weights);
    else if (weights) await this.copy(weights);
    for (const name of this.names()) await this.storage(name);
  }

  /** Storage of each variable of a declared graph, by value id. */
  async storages(graph: Graph): Promise<Map<number, Storage>> {
    const storages = new Map<number, Storage>();
    for (const value of graph.values) {
      if (value.kind === 'variable') storages.set(value.id, await this.storage(value.name));
    }
    return storages;
  }

  /** Copies a variable out, into `into` when given. */
  async read(name: string, into?: Float32Array): Promise<Float32Array> {
    if (into) this.checkLength(name, into);
    await this.storage(name);
    return this.content(name).read(into);
  }

  /** @throws InputError when the number of elements is not that of the variable's shape, or what int16 is to hold is not finite */
  async write(name: string, data: Float32Array): Promise<void> {
    this.checkLength(name, data);
    if (this.find(name).spec.role === 'scale')
      throw new ArgumentError(`'${name}' is written together with the weight that it scales`);
    await this.content(name).write(data);
  }

  /** Frees all memory; the store cannot be used afterwards. */
  close(): void {
    for (const { storage } of this.variables.values()) storage?.free();
    this.variables.clear();
  }

  private async copy(weights: WeightArrays): Promise<void> {
    for (const name of weights.keys?.() ?? []) this.find(name);
    for (const name of this.names()) {
      const data = await weights.get(name);
      if (data) await this.write(name, data);
    }
  }

  private async load(weights: WeightTensors): Promise<void> {
    checkTensors(weights, new Map(this.names().map((name) => [name, this.shape(name)])));
    const names = [...weights.tensors.keys()];
    // Shared memory is read to straight away: two tensors at once take no memory beside it.
    const straight = this.backend.info.sharedMemory && names.every((name) => this.find(name).type.dtype === 'f32');
    await concurrently(names, weights.streams && straight ? 2 : 1, (name) =>
      this.content(name).load((into, offset) => weights.readInto(name, into, offset)),
    );
  }

  private find(name: string): Variable {
    const variable = this.variables.get(name);
    if (variable) return variable;
    throw new ArgumentError(
      `there is no variable '${name}'; there are ${[...this.variables.keys()].join(', ') || 'none'}`,
    );
  }

  private checkLength(name: string, data: Float32Array): void {
    const { shape } = this.find(name).type;
    if (!(data instanceof Float32Array) || data.length !== elements(shape)) {
      const given = data instanceof Float32Array ? `${data.length} numbers` : String(data);
      throw new InputError(
        `'${name}': expected float32 ${formatShape(shape)}, ${elements(shape)} numbers, got ${given}`,
      );
    }
  }

  /** The storage of a variable, holding its initial value if nothing was written yet. */
  private async storage(name: string): Promise<Storage> {
    const variable = this.find(name);
    if (!variable.storage) {
      variable.initialised = this.content(name).draw(variable.spec.init, this.seed, name);
    }
    await variable.initialised;
    return this.allocated(name);
  }

  private allocated(name: string): Storage {
    const variable = this.find(name);
    variable.storage ??= this.backend.allocate(variable.type, name);
    return variable.storage;
  }

  /** A variable as callers see it: float32, however it is stored. */
  private content(name: string): Storage | QuantisedWeight {
    const variable = this.find(name);
    if (variable.type.dtype !== 'i16') return this.allocated(name);
    variable.quantised ??= new QuantisedWeight(name, this.allocated(name), this.allocated(scaleName(name)));
    return variable.quantised;
  }
}
