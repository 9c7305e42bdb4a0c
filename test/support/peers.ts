/** A peer that computes nothing. */
import type { Implementation, Peer } from '../../bench/implementation.js';

/**
 * Takes 7 ms for everything, but for what it cannot do.
 *
 * @param opened gets its name when it is opened
 */
export function fakePeer(
  name: string,
  onAdapter: boolean,
  opened: string[],
  fails: Partial<Implementation> = {},
): Peer {
  return {
    name,
    onAdapter,
    async open({ batch, model }): Promise<Implementation> {
      opened.push(name);
      return {
        name,
        version: '1.2.3',
        backend: onAdapter ? 'webgpu' : 'cpu',
        onAdapter,
        threads: 1,
        modes: ['forward'],
        run: async () => 7,
        deviceMs: async () => 5,
        inFlight: async () => 6,
        logits: async () => new Float32Array(batch * model.classes),
        close: async () => {},
        ...fails,
      };
    },
  };
}
