/** The float64 backend: evaluates the references of the ops, in order, on the calling thread. For tests and for reading. */
import { ArgumentError, BackendError } from '../../errors.js';
import type { Graph, Node } from '../../graph/graph.js';
import { exactAccuracy, formatShape, sameShape, type TensorType } from '../../ops/define.js';
import type { Backend, BackendInfo, CompileOptions, Executable, Storage } from '../backend.js';
import { ReferenceExecutable } from './executable.js';
import { ReferenceStorage } from './storage.js';

export function openReferenceBackend(): Backend {
  return new ReferenceBackend();
}

const algorithmNames = ['reference'] as const;

class ReferenceBackend implements Backend {
  readonly info: BackendInfo = {
    name: 'reference',
    description: 'reference, float64 TypeScript, 1 thread',
    threads: 1,
    simd: 'none',
    sharedMemory: false,
    // It has no limit of its own: each tensor is an array of its own.
    memoryLimit: Number.MAX_SAFE_INTEGER,
    accuracy: exactAccuracy,
    nonFinite: true,
  };

  private closed = false;
  /** The last run asked for: runs follow one another. */
  private tail: Promise<unknown> = Promise.resolve();

  allocate(type: TensorType, label: string): Storage {
    this.expectOpen();
    return new ReferenceStorage(type, label);
  }

  algorithms(_graph: Graph, _node: Node): readonly string[] {
    return algorithmNames;
  }

  async compile(
    graph: Graph,
    variables: ReadonlyMap<number, Storage>,
    options: CompileOptions = {},
  ): Promise<Executable> {
    this.expectOpen();
    for (const [name, algorithm] of Object.entries(options.algorithms ?? {})) {
      if (algorithm !== algorithmNames[0]) {
        throw new ArgumentError(
          `algorithm '${algorithm}' for '${name}': the reference backend has only '${algorithmNames[0]}'`,
        );
      }
    }
    const storages = new Map<number, ReferenceStorage>();
    for (const value of graph.values.filter(({ kind }) => kind === 'variable')) {
      const storage = variables.get(value.id);
      if (!(storage instanceof ReferenceStorage) || !sameShape(storage.type.shape, value.shape)) {
        const got = storage ? formatShape(storage.type.shape) : 'none';
        throw new BackendError(
          `variable '${value.name}' needs a storage of this backend with shape ${formatShape(value.shape)}, got ${got}`,
        );
      }
      storages.set(value.id, storage);
    }
    return new ReferenceExecutable(graph, storages, (run) => this.enqueue(run));
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.tail;
  }

  private async enqueue<T>(run: () => Promise<T>): Promise<T> {
    this.expectOpen();
    const result = this.tail.then(run);
    this.tail = result.catch(() => undefined);
    return result;
  }

  private expectOpen(): void {
    if (this.closed) throw new BackendError('the reference backend is closed');
  }
}
