import { BackendError, InputError } from '../../errors.js';
import type { Initializer } from '../../graph/graph.js';
import { type Distribution, distributionOf, initialStream } from '../../graph/initialValues.js';
import { bytesOf, elements, type TensorType } from '../../ops/define.js';
import type { ReadElements, Storage, TypedArray } from '../backend.js';
import { arrayOf } from '../check.js';
import type { WasmDevice } from './device.js';
import { double } from './lower/program.js';

/** Elements that pass through an array outside linear memory at a time, where its buffer is replaced when it grows. */
const pieceLength = 2 ** 20;

interface Packed {
  readonly address: number;
  readonly users: Set<object>;
  /** Version of the variable that was packed. */
  version: number;
}

/** A variable in linear memory, with the packed forms that programs have made of it. */
export class WasmStorage implements Storage {
  readonly address: number;
  /** Counts changes, so that packed forms know when they are stale. */
  version = 1;
  private readonly packedForms = new Map<string, Packed>();
  private freed = false;

  constructor(
    private readonly device: WasmDevice,
    readonly type: TensorType,
    private readonly label: string,
  ) {
    this.address = device.heap.allocate(bytesOf(type), label);
  }

  write(data: TypedArray): Promise<void> {
    return this.device.exclusively(async () => {
      this.check(data.length);
      if (!(data instanceof arrayOf[this.type.dtype]))
        throw new InputError(`${this.label} holds ${this.type.dtype}, got a ${data.constructor.name}`);
      this.view().set(data);
      this.version++;
    });
  }

  async load(read: ReadElements): Promise<void> {
    const { heap } = this.device;
    const count = elements(this.type.shape);
    this.check(count);
    this.version++;
    if (heap.shared && this.type.dtype === 'f32') return read(heap.floats(this.address, count), 0);
    const piece = new Float32Array(Math.min(count, pieceLength));
    for (let at = 0; at < count; at += piece.length) {
      const part = piece.subarray(0, count - at);
      await read(part, at);
      this.check(count);
      this.view(at, part.length).set(part);
    }
  }

  draw(init: Initializer, seed: number, name: string): Promise<void> {
    return this.device.exclusively(async () => {
      const { shape } = this.type;
      const count = elements(shape);
      this.check(count);
      this.version++;
      const distribution = distributionOf(init, shape);
      if (distribution.kind === 'constant') {
        this.device.heap.floats(this.address, count).fill(distribution.value);
      } else {
        const { key, counter } = initialStream(seed, name);
        const words = [this.address, count, ...key, ...counter, ...distributionWords(distribution)];
        await this.device.runOnce('drawInitial', words);
      }
    });
  }

  read(into = new Float32Array(elements(this.type.shape))): Promise<Float32Array> {
    return this.device.exclusively(async () => {
      this.check(into.length);
      into.set(this.view());
      return into;
    });
  }

  free(): void {
    if (this.freed) return;
    this.freed = true;
    this.device.heap.free(this.address);
    for (const { address } of this.packedForms.values()) this.device.heap.free(address);
    this.packedForms.clear();
  }

  /** Address of a packed form, shared by all programs that ask for it under the same name. */
  packed(name: string, bytes: number, user: object): number {
    let form = this.packedForms.get(name);
    if (!form) {
      form = { address: this.device.heap.allocate(bytes, name), users: new Set(), version: 0 };
      this.packedForms.set(name, form);
    }
    form.users.add(user);
    return form.address;
  }

  packedIsFresh(name: string): boolean {
    return this.packedForms.get(name)?.version === this.version;
  }

  markPacked(name: string): void {
    const form = this.packedForms.get(name);
    if (form) form.version = this.version;
  }

  /** Frees a packed form when its last user has gone. */
  releasePacked(name: string, user: object): void {
    const form = this.packedForms.get(name);
    if (!form) return;
    form.users.delete(user);
    if (form.users.size > 0) return;
    this.packedForms.delete(name);
    this.device.heap.free(form.address);
  }

  /** Elements in linear memory. */
  private view(offset = 0, length = elements(this.type.shape)): TypedArray {
    const array = arrayOf[this.type.dtype];
    return new array(this.device.heap.memory.buffer, this.address + offset * array.BYTES_PER_ELEMENT, length);
  }

  private check(length: number): void {
    if (this.freed) throw new BackendError(`${this.label} has been freed`);
    const count = elements(this.type.shape);
    if (length !== count) throw new InputError(`${this.label} has ${count} elements, got an array of ${length}`);
  }
}

/** The last arguments of `drawInitial`: whether normal, mean or limit, deviation. */
function distributionWords(distribution: Exclude<Distribution, { readonly kind: 'constant' }>): readonly number[] {
  if (distribution.kind === 'uniform') return [0, ...double(distribution.limit), ...double(0)];
  return [1, ...double(distribution.mean ?? 0), ...double(distribution.std)];
}
