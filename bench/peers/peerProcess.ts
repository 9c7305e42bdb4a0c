/** A peer in a Node process of its own (see peerChild.ts). */
import { type ChildProcess, fork } from 'node:child_process';
import type { Implementation } from '../implementation.js';
import type { ProcessRequest } from './peerChild.js';
import { type Ask, contentOf, type Described, type Failure, RemoteImplementation, readyInTime } from './protocol.js';

/**
 * Starts `module`, which calls `serve`, and has it open what `opening` says.
 *
 * @throws MissingPeer when the peer is not installed, cannot run the network, or does not get ready in time
 */
export async function openPeerProcess(module: URL, name: string, opening: object): Promise<Implementation> {
  const child = fork(module, {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ask: Ask = (request) => askProcess(child, name, request as ProcessRequest);
  try {
    const opened = ask<Described>({ kind: 'open', opening } satisfies ProcessRequest);
    return new PeerProcess(ask, await readyInTime(name, opened), () => end(child));
  } catch (error) {
    child.kill();
    throw error;
  }
}

class PeerProcess extends RemoteImplementation {
  async peakRss(): Promise<number> {
    return (await this.ask<{ peakRss: number }>({ kind: 'memory' } satisfies ProcessRequest)).peakRss;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill();
  await ended;
}

function askProcess<R extends object>(child: ChildProcess, name: string, request: ProcessRequest): Promise<R> {
  return new Promise((resolve, reject) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      reject(new Error(`${name}: the process has ended`));
      return;
    }
    const ended = (code: number | null, signal: string | null) => {
      child.off('message', answered);
      reject(new Error(`${name}: the process has ended (${signal ?? `status ${code}`})`));
    };
    const answered = (reply: unknown) => {
      child.off('close', ended);
      try {
        resolve(contentOf(reply as R | Failure));
      } catch (error) {
        reject(error);
      }
    };
    child.once('close', ended);
    child.once('message', answered);
    child.send(request);
  });
}
