/** A server of static files for this machine only: the page (dist/page) and, for one's own experiments, the built library beside it. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { ArgumentError, BackendError, FileError } from '../../errors.js';

const loopback = '127.0.0.1';
const dist = fileURLToPath(new URL('../../../', import.meta.url));

/** A folder by the start of the path in a URL. */
export interface Mount {
  /** '/dist/lib/' */
  readonly path: string;
  readonly folder: string;
}

/** The first that fits counts. */
const mounts: readonly Mount[] = [
  { path: '/dist/lib/', folder: join(dist, 'lib') },
  { path: '/dist/wasm/', folder: join(dist, 'wasm') },
  { path: '/', folder: join(dist, 'page') },
];

/** What is served; nothing else is. */
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
  // Weights, models and images for measurements in a browser.
  '.safetensors': 'application/octet-stream',
  '.onnx': 'application/octet-stream',
  '.f32': 'application/octet-stream',
};

/** They make a page cross-origin isolated, so that its threads may share memory. */
const isolation = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

export interface RunningServer {
  /** 'http://127.0.0.1:8080/' */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves until it is closed.
 *
 * @param port 0 for any that is free
 * @param isolated without it the page has what a server gives that knows nothing of these headers
 * @param further folders, which go before the page's own; the list is looked up at each request
 * @throws FileError when the page has not been built, ArgumentError for a port that cannot be, BackendError for one that is not to be had
 */
export async function startServer(
  port: number,
  isolated = true,
  further: readonly Mount[] = [],
): Promise<RunningServer> {
  if (port > 65535) throw new ArgumentError(`port must be a number from 0 to 65535, got ${port}`);
  await stat(join(dist, 'page', 'index.html')).catch((error: Error) => {
    throw new FileError(`the page has not been built (npm run build): ${error.message}`, { cause: error });
  });
  const headers = isolated ? isolation : {};
  const server = createServer((request, response) => {
    // A reader that goes away in the middle is no failure.
    answer(request, response, headers, further).catch(() => response.destroy());
  });
  await listen(server, port);
  return {
    url: `http://${loopback}:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new BackendError(`cannot serve on ${loopback}:${port}: ${error.message}`, { cause: error }));
    });
    server.listen(port, loopback, resolve);
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  further: readonly Mount[],
): Promise<void> {
  const { method, url = '/' } = request;
  if (method !== 'GET' && method !== 'HEAD') {
    refuse(response, 405);
    return;
  }
  const file = fileOf(url, further);
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !found?.isFile()) {
    refuse(response, 404);
    return;
  }
  response.writeHead(200, {
    ...headers,
    'content-type': types[extname(file)],
    'content-length': found.size,
    'cache-control': 'no-cache',
    'x-content-type-options': 'nosniff',
  });
  if (method === 'HEAD') response.end();
  else await pipeline(createReadStream(file), response);
}

function refuse(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${status}\n`);
}

/** The file that a URL's path stands for: plain names below one of the mounts, of a known type. */
export function fileOf(url: string, further: readonly Mount[] = []): string | undefined {
  const [path] = url.split(/[?#]/);
  const mount = [...further, ...mounts].find((each) => path.startsWith(each.path));
  const rest = path === '/' ? 'index.html' : path.slice(mount?.path.length);
  // No other names are there to be served; so no path leads out of the folder.
  if (!mount || !/^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/.test(rest) || !(extname(rest) in types)) return undefined;
  return join(mount.folder, ...rest.split('/'));
}
