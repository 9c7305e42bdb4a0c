/**
 * Test files that compute on WebGPU do so on SwiftShader, whatever GPU there is: the same everywhere, and never skipped. A driver is found
 * through the environment a process starts with, so such a file calls `onSoftwareAdapter` first, which runs it again in a process that has it.
 */
import { findAdapter, isSoftware, nameOf } from '../../src/backends/webgpu/adapter.js';
import { hasSoftwareEnvironment } from '../../src/backends/webgpu/software.js';
import { runAgain } from '../../src/cli/lib/adapter.js';

/** @throws where there is no such adapter: then the file fails */
export async function onSoftwareAdapter(): Promise<void> {
  if (!hasSoftwareEnvironment()) await runAgain();
  const { info } = await findAdapter();
  if (!isSoftware(info)) throw new Error(`expected SwiftShader, found ${nameOf(info)}`);
}
