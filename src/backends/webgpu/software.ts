/**
 * A software adapter for machines without a GPU, in Node on Linux: SwiftShader, a Vulkan driver that computes on the CPU, out of the npm
 * package `@sparticuz/chromium`. The system's Vulkan loader reads where drivers are from the environment before the process starts, so
 * a process that wants it must be started anew with `softwareEnvironment()`.
 */
import { delimiter, join } from 'node:path';
import { unpack } from './chromiumPackage.js';

const description = 'vk_swiftshader_icd.json';

/** Variables that make Vulkan find SwiftShader and nothing else. Unpacks it into the temporary folder where it is not yet. */
export function softwareEnvironment(): Readonly<Record<string, string>> {
  const folder = unpack('swiftshader', ['swiftshader.tar.br']);
  const libraries = [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  return { VK_DRIVER_FILES: join(folder, description), LD_LIBRARY_PATH: libraries };
}

/** Whether this process was started so. */
export function hasSoftwareEnvironment(): boolean {
  return process.env.VK_DRIVER_FILES?.endsWith(description) ?? false;
}
