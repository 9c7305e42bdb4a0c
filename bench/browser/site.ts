/** `bench --browser`: our networks and the peers in headless Chromium, measured from here as those in processes are. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import type { BackendInfo } from '../../src/backends/backend.js';
import { type RunningServer, startServer } from '../../src/cli/lib/server.js';
import { inferenceGraph } from '../../src/engine/graphs.js';
import type { LayerProfile } from '../../src/engine/profile.js';
import { ArgumentError, FileError } from '../../src/errors.js';
import { initialValues } from '../../src/graph/initialValues.js';
import type { Model } from '../../src/models/model.js';
import { launchChromium } from '../chromium.js';
import type { ModelFiles } from '../files.js';
import { type Implementation, importPeer, type Mode, type Peer, type PeerSetting } from '../implementation.js';
import type { Own, OwnNetwork, Site } from '../own.js';
import { type Ask, type Described, RemoteImplementation, readyInTime } from '../peers/protocol.js';
import { tfjsSetting } from '../peers/tfjsWebGpu.js';
import type { OpeningTimes, OwnSetting, TandemSetting } from '../tandem.js';
import type { Workload } from '../workload.js';
import { openLine, type PageLine, pagePath } from './line.js';
import type { Inputs, NetworkOpened, NetworkOpening, PageRequest, PeerOpening } from './messages.js';

export type ChromiumAdapter = 'hardware' | 'software';

/** Of networks that are drawn: the engine's own default. */
const seed = 1;

const dist = fileURLToPath(new URL('../../', import.meta.url));
const filesPath = '/files/';
const onnxruntimePath = '/onnxruntime-web/';
/** The builds of onnxruntime-web, by execution provider. */
const onnxruntimeBuilds = {
  wasm: { title: 'onnxruntime-web', file: 'ort.wasm.min.mjs', onAdapter: false },
  webgpu: { title: "onnxruntime-web's WebGPU", file: 'ort.webgpu.min.mjs', onAdapter: true },
} as const;

export class BrowserSite implements Site {
  private readonly lines: PageLine[] = [];
  private files: ModelFiles | undefined;

  private constructor(
    private readonly server: RunningServer,
    /** What the server serves besides; it may grow. */
    private readonly mounts: { path: string; folder: string }[],
    /** On which Chromium computes. */
    readonly adapter: ChromiumAdapter,
    readonly browser: string,
  ) {}

  /**
   * @param adapter a hardware adapter, where Chromium finds one, by default
   * @throws FileError when the page has not been built, BackendError when Chromium cannot start
   */
  static async open(adapter?: ChromiumAdapter): Promise<BrowserSite> {
    const page = join(dist, 'contestant');
    if (!existsSync(join(page, 'index.html'))) {
      throw new FileError(
        'the page that measures in a browser is built in a clone of the project (npm run build:peers)',
      );
    }
    const mounts = [
      { path: `${pagePath}wasm/`, folder: join(dist, 'wasm') },
      { path: pagePath, folder: page },
    ];
    const server = await startServer(0, true, mounts);
    try {
      const found = adapter ?? (await adapterHere(server.url));
      const browser = await launchChromium({ adapter: found });
      const version = browser.version();
      await browser.close();
      return new BrowserSite(server, mounts, found, `headless Chromium ${version}`);
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  /** They are opened in browsers of their own. */
  get peers(): readonly Peer[] {
    return [
      { name: 'onnxruntime-web', open: (setting) => this.openOnnxruntime(setting, 'wasm') },
      { name: 'tfjs-webgpu', onAdapter: true, open: (setting) => this.openTfjs(setting) },
      {
        name: 'onnxruntime-web (webgpu)',
        onAdapter: true,
        open: (setting) => this.openOnnxruntime(setting, 'webgpu'),
      },
    ];
  }

  /** Weights are drawn in the page. */
  async open({ model, threads, weights: _, ...setting }: TandemSetting): Promise<OwnNetwork> {
    const line = await this.line('tandem');
    const opening: NetworkOpening = { model: { name: model.name, options: model.options }, threads, ...setting };
    const opened = await line.ask<NetworkOpened>({ kind: 'network', opening } satisfies PageRequest);
    return new PageNetwork(line, model, setting, opened, (workload) => this.inputs(workload));
  }

  use(files: ModelFiles): void {
    this.files = files;
    this.mounts.push({ path: filesPath, folder: files.folder });
  }

  async close(): Promise<void> {
    for (const line of this.lines) await line.close();
    await this.server.close();
  }

  private async line(name: string): Promise<PageLine> {
    const browser = await launchChromium({ adapter: this.adapter });
    const line = await openLine(browser, this.server.url, name);
    this.lines.push(line);
    return line;
  }

  private async images(workload: Workload): Promise<string[]> {
    if (!this.files) throw new Error('the site has been given no files');
    return (await this.files.images(workload)).map(addressOf);
  }

  private async inputs(workload: Workload): Promise<Inputs> {
    const labels = workload.inputs.map((input) => [...input.labels]);
    return { batch: workload.batch, images: await this.images(workload), labels };
  }

  private async openTfjs(setting: PeerSetting): Promise<Implementation> {
    const weights = addressOf(await setting.files.safetensors());
    const images = await this.images(setting.workload);
    return this.openPeer('tfjs-webgpu', { peer: 'tfjs-webgpu', setting: tfjsSetting(setting), weights, images });
  }

  private async openOnnxruntime(
    setting: PeerSetting,
    provider: keyof typeof onnxruntimeBuilds,
  ): Promise<Implementation> {
    const { batch, threads, model, workload, files } = setting;
    const entry = await importPeer('onnxruntime-web', async () => import.meta.resolve('onnxruntime-web'));
    const folder = dirname(fileURLToPath(entry));
    if (!this.mounts.some(({ path }) => path === onnxruntimePath)) this.mounts.push({ path: onnxruntimePath, folder });
    const { title, file, onAdapter } = onnxruntimeBuilds[provider];
    return this.openPeer(title, {
      peer: 'onnxruntime-web',
      provider,
      onAdapter,
      module: `${onnxruntimePath}${file}`,
      onnx: addressOf(await files.onnx(batch)),
      images: await this.images(workload),
      imagesShape: [batch, ...model.inputShape],
      threads,
    });
  }

  private async openPeer(name: string, opening: PeerOpening): Promise<Implementation> {
    const line = await this.line(name);
    try {
      const described = line.ask<Described>({ kind: 'peer', opening } satisfies PageRequest);
      return new RemoteImplementation(line.ask, await readyInTime(name, described), () => line.close());
    } catch (error) {
      await line.close();
      throw error;
    }
  }
}

/** Of a file of the benchmark's. */
function addressOf(path: string): string {
  return `${filesPath}${basename(path)}`;
}

/** 'hardware' where Chromium has such an adapter. */
async function adapterHere(url: string): Promise<ChromiumAdapter> {
  const browser: Browser = await launchChromium({ adapter: 'hardware' });
  try {
    const page = await browser.newPage();
    await page.goto(new URL(`${pagePath}index.html`, url).href);
    const found = await page.evaluate(async () => {
      const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
      return adapter ? `${adapter.info.vendor} ${adapter.info.architecture}` : undefined;
    });
    return found === undefined || /swiftshader|llvmpipe/i.test(found) ? 'software' : 'hardware';
  } finally {
    await browser.close();
  }
}

/** Our network in a page. */
class PageNetwork implements OwnNetwork {
  readonly info: BackendInfo;
  readonly opening: OpeningTimes;

  constructor(
    private readonly line: PageLine,
    private readonly model: Model,
    readonly setting: OwnSetting,
    { info, opening }: NetworkOpened,
    private readonly inputsOf: (workload: Workload) => Promise<Inputs>,
  ) {
    this.info = info;
    this.opening = opening;
  }

  async at(workload: Workload): Promise<Own> {
    const inputs = await this.inputsOf(workload);
    const described = await this.line.ask<Described>({ kind: 'at', inputs } satisfies PageRequest);
    return new PageTandem(this.line.ask, described, this.info, this.setting);
  }

  async checkAlgorithms(batch: number): Promise<void> {
    await this.line.ask({ kind: 'algorithms', batch } satisfies PageRequest);
  }

  /** Drawn here: the same bits as there. */
  async read(name: string): Promise<Float32Array> {
    const value = inferenceGraph(this.model, 1).values.find((each) => each.name === name);
    if (!value?.variable) throw new ArgumentError(`${this.model.name} has no variable '${name}'`);
    return initialValues(value.variable.init, value.shape, seed, name);
  }

  close(): Promise<void> {
    return this.line.close();
  }
}

class PageTandem extends RemoteImplementation implements Own {
  constructor(
    ask: Ask,
    described: Described,
    readonly info: BackendInfo,
    readonly setting: OwnSetting,
  ) {
    super(ask, described, async () => {
      await ask({ kind: 'rest' } satisfies PageRequest);
    });
  }

  async layers(mode: Mode, runMs: number): Promise<readonly LayerProfile[]> {
    const request: PageRequest = { kind: 'layers', mode, runMs };
    return (await this.ask<{ layers: readonly LayerProfile[] }>(request)).layers;
  }
}
