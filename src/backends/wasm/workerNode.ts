/** A thread of the pool in Node. */
import { parentPort } from 'node:worker_threads';
import { obeyCommands } from './commands.js';
import type { ThreadStart } from './control.js';

parentPort?.once('message', (start: ThreadStart) => obeyCommands(start, (message) => parentPort?.postMessage(message)));
