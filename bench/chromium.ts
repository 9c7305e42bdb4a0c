/**
 * A headless Chromium with WebGPU, for tests and measurements in a real browser: that of the npm package `@sparticuz/chromium`, driven by
 * `playwright-core`. It brings the libraries it needs with it, but for those of the C compiler.
 */
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { unpack } from '../src/backends/webgpu/chromiumPackage.js';
import { BackendError } from '../src/errors.js';

const archives = ['chromium.br', 'al2023.tar.br', 'swiftshader.tar.br', 'fonts.tar.br'];

/** Without a font Chromium draws no text; a machine without a display may have none. */
const fonts = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
`;

/**
 * Allowed to be unsafe, Chromium does not round an adapter's clock. The last as in Node: kernels write workgroup memory before they read
 * it, and filling it is most of what compiling costs on SwiftShader.
 */
const webGpu = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--enable-dawn-features=disable_workgroup_init'];

/** Switches of Chromium for WebGPU on the adapters that it can compute on. */
const adapters = {
  hardware: [...webGpu, '--use-angle=vulkan', '--ignore-gpu-blocklist'],
  // With threads of the browser's own process instead of a process for graphics.
  software: [...webGpu, '--use-webgpu-adapter=swiftshader', '--use-angle=swiftshader', '--in-process-gpu'],
} as const;

export interface ChromiumOptions {
  /** 'software', which is SwiftShader, by default. */
  readonly adapter?: keyof typeof adapters;
}

/** @throws BackendError that says what is missing when Chromium cannot start */
export async function launchChromium({ adapter = 'software' }: ChromiumOptions = {}): Promise<Browser> {
  const folder = unpack('chromium', archives, { 'fonts.conf': fonts });
  const libraries = [join(folder, 'lib'), folder].join(':');
  try {
    const { chromium } = await import('playwright-core');
    return await chromium.launch({
      executablePath: join(folder, 'chromium'),
      args: [...adapters[adapter], '--no-sandbox'],
      env: { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_PATH: folder },
    });
  } catch (error) {
    const { message } = error as Error;
    const library = /error while loading shared libraries: (\S+):/.exec(message)?.[1];
    const reason = library
      ? `the library ${library} is missing (Debian: apt-get install chromium brings all that Chromium needs)`
      : message.split('\n').slice(0, 12).join(' ');
    throw new BackendError(`headless Chromium cannot start: ${reason}`, { cause: error });
  }
}
