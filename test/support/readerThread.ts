/** Opens one file in a thread with little memory, and reads all that it holds; says what became of it. */
import { parentPort, workerData } from 'node:worker_threads';
import { memorySource } from '../../src/formats/byteSource.js';
import { readTensors } from '../../src/formats/openTensors.js';

async function outcome(): Promise<string> {
  try {
    const file = await readTensors(memorySource(workerData as Uint8Array, "'hostile'"));
    for (const [name] of file.tensors) await file.read(name);
    return `read ${file.tensors.size}`;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}

parentPort?.postMessage(await outcome());
