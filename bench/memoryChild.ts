/** The process that `measurePeakRss` starts: runs one implementation and sends what memory that took. */
import { enableRelaxedSimd } from '../src/backends/wasm/platform.js';
import { openSafetensors } from '../src/formats/safetensors.js';
import { preset } from '../src/models/presets.js';
import { answer } from './child.js';
import { ModelFiles } from './files.js';
import type { Implementation } from './implementation.js';
import { type MemoryTask, ownPeakRss } from './memory.js';
import { peers } from './peers/index.js';
import { TandemNetwork } from './tandem.js';
import { workloadOf } from './workload.js';

async function open({
  implementation,
  model: { name, options },
  own,
  batch,
  threads,
  folder,
}: MemoryTask): Promise<Implementation> {
  const model = preset(name, options);
  const workload = workloadOf(model, batch, undefined, 1);
  const files = ModelFiles.existing(model, folder);
  const peer = peers.find((candidate) => candidate.name === implementation);
  if (peer) return peer.open({ model, batch, threads, workload, files });
  if (!own) throw new Error(`there is no peer '${implementation}'`);
  await enableRelaxedSimd();
  const weights = await openSafetensors(await files.safetensors());
  const network = await TandemNetwork.open({
    model,
    ...own,
    threads,
    weights,
  });
  await weights.close();
  return network.at(workload);
}

async function measure(task: MemoryTask): Promise<number> {
  const opened = await open(task);
  // What the first run leaves behind (packed weights, momentum) is there in the second.
  for (let i = 0; i < 2; i++) await opened.run(task.mode, 0);
  return (await opened.peakRss?.()) ?? ownPeakRss();
}

await answer(measure);
