import { BackendError, InputError } from '../../errors.js';
import type { Initializer } from '../../graph/graph.js';
import { initialValues } from '../../graph/initialValues.js';
import { elements, formatShape, type TensorType } from '../../ops/define.js';
import type { ReadElements, Storage, TypedArray } from '../backend.js';

/** A variable in float64: what a float32 caller writes is held exactly, what a run computes is rounded only when read. */
export class ReferenceStorage implements Storage {
  /** Replaced as a whole, never written to: a running graph may still read the old content. */
  private content: Float64Array | undefined;

  constructor(
    readonly type: TensorType,
    private readonly label: string,
  ) {
    this.content = new Float64Array(elements(type.shape));
  }

  get data(): Float64Array {
    if (!this.content) throw new BackendError(`variable '${this.label}' has been freed`);
    return this.content;
  }

  set data(data: Float64Array) {
    this.content = data;
  }

  async write(data: TypedArray): Promise<void> {
    this.expectLength(data.length);
    this.data = Float64Array.from(data);
  }

  async load(read: ReadElements): Promise<void> {
    const values = new Float32Array(this.data.length);
    await read(values, 0);
    await this.write(values);
  }

  async draw(init: Initializer, seed: number, name: string): Promise<void> {
    await this.write(initialValues(init, this.type.shape, seed, name));
  }

  async read(into?: Float32Array): Promise<Float32Array> {
    if (into) this.expectLength(into.length);
    const target = into ?? new Float32Array(this.data.length);
    target.set(this.data);
    return target;
  }

  free(): void {
    this.content = undefined;
  }

  private expectLength(length: number): void {
    if (length !== this.data.length) {
      throw new InputError(
        `variable '${this.label}' ${formatShape(this.type.shape)} has ${this.data.length} elements, got an array of ${length}`,
      );
    }
  }
}
