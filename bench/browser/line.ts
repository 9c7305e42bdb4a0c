/** A worker in a page of a browser of its own, so that nobody waits for another's kernels to be compiled. */
import type { Browser } from 'playwright-core';
import { type Ask, contentOf, type Failure } from '../peers/protocol.js';
import type { PageRequest } from './messages.js';

/** Where the page finds what it is made of (scripts/contestant.mjs). */
export const pagePath = '/contestant/';

export interface PageLine {
  readonly ask: Ask;
  close(): Promise<void>;
}

/** What the page has: see `begin`. */
interface Contestant {
  ask(request: object): Promise<object>;
}

/**
 * @param url of the server
 * @param name of who computes there, for errors
 */
export async function openLine(browser: Browser, url: string, name: string): Promise<PageLine> {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  await page.goto(new URL(`${pagePath}index.html`, url).href);
  await page.evaluate(begin, `${pagePath}bench/browser/worker.js`);
  const crashed = new Promise<never>((_, reject) => {
    page.once('crash', () => reject(new Error(`${name}: its page has crashed`)));
    browser.once('disconnected', () => reject(new Error(`${name}: its browser has ended`)));
  });
  crashed.catch(() => {});
  return {
    async ask<R extends object>(request: object): Promise<R> {
      const reply = page.evaluate(put, request as PageRequest) as Promise<R | Failure>;
      return contentOf(await Promise.race([reply, crashed]));
    },
    close: () => browser.close(),
  };
}

// What follows is run in the page: it uses nothing from outside.

/** Starts the worker, which answers one question at a time. */
function begin(path: string): void {
  const worker = new Worker(path, { type: 'module' });
  const ask = (request: object) =>
    new Promise<object>((resolve) => {
      const fail = (event: ErrorEvent) => {
        resolve({ error: event.message || 'the worker could not be started', missing: false, deliberate: false });
      };
      worker.onerror = fail;
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(request);
    });
  Object.assign(globalThis, { contestant: { ask } satisfies Contestant });
}

function put(request: object): Promise<object> {
  return (globalThis as unknown as { contestant: Contestant }).contestant.ask(request);
}
