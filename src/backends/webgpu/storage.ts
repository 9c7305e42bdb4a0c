import { BackendError, InputError } from '../../errors.js';
import type { Initializer } from '../../graph/graph.js';
import { initialValues } from '../../graph/initialValues.js';
import { bytesOf, elements, type TensorType } from '../../ops/define.js';
import type { ReadElements, Storage, TypedArray } from '../backend.js';
import { arrayOf } from '../check.js';
import { bufferUsage, mapRead } from './adapter.js';
import type { GpuDevice } from './device.js';

interface Packed {
  readonly buffer: GPUBuffer;
  readonly users: Set<object>;
  /** Version of the variable that was packed. */
  version: number;
}

/** A variable in device memory, with the packed forms that programs have made of it. */
export class GpuStorage implements Storage {
  /** Counts changes, so that packed forms know when they are stale. */
  version = 1;
  private memory: GPUBuffer | undefined;
  private readonly packedForms = new Map<string, Packed>();
  private freed = false;

  constructor(
    private readonly device: GpuDevice,
    readonly type: TensorType,
    private readonly label: string,
  ) {}

  /** The device buffer, made when it is first needed. */
  async buffer(): Promise<GPUBuffer> {
    if (this.freed) throw new BackendError(`${this.label} has been freed`);
    this.memory ??= await this.device.storageBuffer(this.label, bytesOf(this.type));
    return this.memory;
  }

  write(data: TypedArray): Promise<void> {
    return this.device.exclusively(async () => {
      this.check(data.length);
      if (!(data instanceof arrayOf[this.type.dtype]))
        throw new InputError(`${this.label} holds ${this.type.dtype}, got a ${data.constructor.name}`);
      writeBuffer(this.device.gpu, await this.buffer(), data);
      this.version++;
    });
  }

  async load(read: ReadElements): Promise<void> {
    const count = elements(this.type.shape);
    const piece = this.emptyArray(Math.min(count, pieceLength));
    for (let at = 0; at < count; at += piece.length) {
      const part = piece.subarray(0, count - at);
      const values = part instanceof Float32Array ? part : new Float32Array(part.length);
      await read(values, at);
      if (values !== part) part.set(values);
      await this.device.exclusively(async () => {
        this.check(count);
        writeBuffer(this.device.gpu, await this.buffer(), part, at * part.BYTES_PER_ELEMENT);
        this.version++;
      });
    }
  }

  draw(init: Initializer, seed: number, name: string): Promise<void> {
    return this.write(initialValues(init, this.type.shape, seed, name));
  }

  read(into = new Float32Array(elements(this.type.shape))): Promise<Float32Array> {
    return this.device.exclusively(async () => {
      this.check(into.length);
      const from = await this.buffer();
      const staging = await this.device.buffer('reading', from.size, bufferUsage.mapRead | bufferUsage.copyTarget);
      const encoder = this.device.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, staging, 0, from.size);
      this.device.gpu.queue.submit([encoder.finish()]);
      await this.device.result(staging.mapAsync(mapRead), `reading ${this.label}`);
      into.set(new arrayOf[this.type.dtype](staging.getMappedRange(), 0, into.length));
      staging.unmap();
      this.device.free(staging);
      return into;
    });
  }

  free(): void {
    if (this.freed) return;
    this.freed = true;
    if (this.memory) this.device.free(this.memory);
    for (const { buffer } of this.packedForms.values()) this.device.free(buffer);
    this.packedForms.clear();
  }

  /** A packed form, shared by all programs that ask for it under the same name. */
  async packed(name: string, bytes: number, user: object): Promise<GPUBuffer> {
    let form = this.packedForms.get(name);
    if (!form) {
      form = { buffer: await this.device.storageBuffer(name, bytes), users: new Set(), version: 0 };
      this.packedForms.set(name, form);
    }
    form.users.add(user);
    return form.buffer;
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
    this.device.free(form.buffer);
  }

  private emptyArray(length: number): TypedArray {
    return new arrayOf[this.type.dtype](length);
  }

  private check(length: number): void {
    if (this.freed) throw new BackendError(`${this.label} has been freed`);
    const count = elements(this.type.shape);
    if (length !== count) throw new InputError(`${this.label} has ${count} elements, got an array of ${length}`);
  }
}

/** Elements that are read into host memory at a time: a multiple of 4, so that pieces begin at whole words. */
const pieceLength = 2 ** 20;

/** Writes an array at a byte of a buffer, a multiple of 4; bytes that do not fill a word are padded, for the queue writes words. */
export function writeBuffer(gpu: GPUDevice, buffer: GPUBuffer, data: TypedArray, at = 0): void {
  const whole = data.byteLength - (data.byteLength % 4);
  gpu.queue.writeBuffer(buffer, at, data.buffer as ArrayBuffer, data.byteOffset, whole);
  if (whole === data.byteLength) return;
  const tail = new Uint8Array(4);
  tail.set(new Uint8Array(data.buffer, data.byteOffset + whole, data.byteLength - whole));
  gpu.queue.writeBuffer(buffer, at + whole, tail);
}
