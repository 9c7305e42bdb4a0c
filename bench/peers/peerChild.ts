/** The other end of peerProcess.ts: opens an implementation, and answers each message with one. */
import type { Implementation } from '../implementation.js';
import { ownPeakRss } from '../memory.js';
import { answer, describe, failure, type Request } from './protocol.js';

export type ProcessRequest =
  | { readonly kind: 'open'; readonly opening: object }
  | { readonly kind: 'memory' }
  | Request;

/** Opens one implementation when asked to, and serves it until the other process goes. */
export function serve<O extends object>(open: (opening: O) => Promise<Implementation>): void {
  let peer: Implementation | undefined;

  const reply = async (request: ProcessRequest): Promise<object> => {
    if (request.kind === 'open') {
      peer = await open(request.opening as O);
      return describe(peer);
    }
    if (request.kind === 'memory') return { peakRss: ownPeakRss() };
    if (!peer) throw new Error('nothing has been opened');
    return answer(peer, request);
  };

  process.on('message', (request: ProcessRequest) => {
    reply(request)
      .catch(failure)
      .then((content) => process.send?.(content));
  });

  // Its worker threads would keep it alive.
  process.on('disconnect', () => process.exit());
}
