/** The process that `measureOpenings` starts: opens one implementation, runs it once, and sends how long both took. */
import { enableRelaxedSimd } from '../src/backends/wasm/platform.js';
import { openEngine } from '../src/engine/engine.js';
import { openSafetensors } from '../src/formats/safetensors.js';
import { preset } from '../src/models/presets.js';
import { answer } from './child.js';
import { ModelFiles } from './files.js';
import type { MemoryTask } from './memory.js';
import type { OpeningSample } from './opening.js';
import { peers } from './peers/index.js';
import { workloadOf } from './workload.js';

export type OpeningTask = Omit<MemoryTask, 'mode'>;

async function measure(task: OpeningTask): Promise<OpeningSample> {
  const { implementation, own, batch, threads } = task;
  const model = preset(task.model.name, task.model.options);
  const files = ModelFiles.existing(model, task.folder);
  const workload = workloadOf(model, batch, undefined, 1);
  const peer = peers.find(({ name }) => name === implementation);
  if (peer) {
    await import(peer.name);
    return timed(
      () => peer.open({ model, batch, threads, workload, files }),
      (opened) => opened.run('forward', 0),
    );
  }
  await enableRelaxedSimd();
  const engine = await openEngine({ ...own, threads });
  const path = await files.safetensors();
  return timed(
    async () => {
      const weights = await openSafetensors(path);
      const network = await engine.network(model, { weights, algorithms: own?.algorithms });
      await weights.close();
      await network.prepare({ mode: 'inference', batch });
      return network;
    },
    (network) => network.forward(workload.inputs[0].images),
  );
}

async function timed<T>(open: () => Promise<T>, run: (opened: T) => Promise<unknown>): Promise<OpeningSample> {
  const start = performance.now();
  const opened = await open();
  const ready = performance.now();
  await run(opened);
  return { openMs: ready - start, firstRunMs: performance.now() - ready };
}

await answer(measure);
