/** A thread of the pool in a page. Bundlers make it one classic script: nothing here is awaited or imported on use. */
import { obeyCommands } from './commands.js';
import type { ThreadStart } from './control.js';

globalThis.onmessage = ({ data }: MessageEvent<ThreadStart>) =>
  obeyCommands(data, (message) => globalThis.postMessage(message));
