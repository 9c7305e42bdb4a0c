/** The other end of peerProcess.ts: answers each message with one, and times its own runs. */
import { type Implementation, MissingPeer, type Mode } from '../implementation.js';
import { ownPeakRss } from '../memory.js';

export type Request =
  | { readonly kind: 'open'; readonly opening: object }
  | { readonly kind: 'run'; readonly mode: Mode; readonly index: number }
  | { readonly kind: 'device'; readonly mode: Mode; readonly runMs: number }
  | { readonly kind: 'flight'; readonly mode: Mode; readonly count: number }
  | { readonly kind: 'logits'; readonly index: number }
  | { readonly kind: 'memory' };

/** An implementation without what it does. */
export type Described = Pick<Implementation, 'name' | 'version' | 'backend' | 'onAdapter' | 'threads' | 'modes'>;

export type Reply =
  | { readonly opened: Described }
  | { readonly ms: number }
  | { readonly deviceMs?: number }
  | { readonly logits: Float32Array }
  | { readonly peakRss: number }
  | { readonly error: string; readonly missing: boolean };

/** Opens one implementation when asked to, and serves it until the other process goes. */
export function serve<O extends object>(open: (opening: O) => Promise<Implementation>): void {
  let peer: Implementation | undefined;

  const answer = async (request: Request): Promise<Reply> => {
    if (request.kind === 'open') {
      peer = await open(request.opening as O);
      const { name, version, backend, onAdapter, threads, modes } = peer;
      return { opened: { name, version, backend, onAdapter, threads, modes } };
    }
    if (request.kind === 'memory') return { peakRss: ownPeakRss() };
    if (!peer) throw new Error('nothing has been opened');
    switch (request.kind) {
      case 'logits':
        return { logits: await peer.logits(request.index) };
      case 'device':
        return { deviceMs: await peer.deviceMs?.(request.mode, request.runMs) };
      case 'flight':
        if (!peer.inFlight) throw new Error(`${peer.name} has no runs in flight`);
        return { ms: await peer.inFlight(request.mode, request.count) };
      case 'run': {
        const start = performance.now();
        await peer.run(request.mode, request.index);
        return { ms: performance.now() - start };
      }
    }
  };

  process.on('message', (request: Request) => {
    answer(request)
      .catch((error: Error): Reply => ({ error: error.message, missing: error instanceof MissingPeer }))
      .then((reply) => process.send?.(reply));
  });

  // Its worker threads would keep it alive.
  process.on('disconnect', () => process.exit());
}
