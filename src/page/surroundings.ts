/** What this browser and this device offer: every way of computing is opened once. */
import { openBackend } from '../backends/open.js';
import { TandemError } from '../errors.js';
import { type Found, type Surroundings, type Way, wayNames, ways } from './messages.js';

export async function lookAround(): Promise<Surroundings> {
  const found: Found[] = [];
  for (const way of wayNames) found.push(await probe(way));
  return { cores: navigator.hardwareConcurrency, isolated: globalThis.crossOriginIsolated, found };
}

async function probe(way: Way): Promise<Found> {
  try {
    const backend = await openBackend(ways[way].options);
    await backend.close();
    return { way, available: true, info: backend.info };
  } catch (error) {
    if (!(error instanceof TandemError)) throw error;
    return { way, available: false, reason: error.message };
  }
}
