#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { enableRelaxedSimd } from '../backends/wasm/platform.js';
import { benchCommand } from './bench.js';
import { classifyCommand } from './classify.js';
import { convertCommand } from './convert.js';
import { evaluateCommand } from './evaluate.js';
import { exportCommand } from './export.js';
import { infoCommand } from './info.js';
import { provideAdapter } from './lib/adapter.js';
import { oneLine, reportFailure } from './lib/output.js';
import { planCommand } from './plan.js';
import { runCommand } from './run.js';
import { serveCommand } from './serve.js';
import { summaryCommand } from './summary.js';
import { trainCommand } from './train.js';
import { verifyCommand } from './verify.js';

const commands = [
  benchCommand,
  verifyCommand,
  trainCommand,
  evaluateCommand,
  classifyCommand,
  summaryCommand,
  planCommand,
  infoCommand,
  convertCommand,
  exportCommand,
  runCommand,
  serveCommand,
];

async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const program = new Command('tandem')
    .description('AlexNet, forward and backward, in TypeScript and kernels written by hand for WebAssembly and WebGPU')
    .version(version)
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`${oneLine(text)}\n`) });
  for (const make of commands) program.addCommand(make().copyInheritedSettings(program));
  program.hook('preAction', async (_, command) => {
    await provideAdapter(command);
    await enableRelaxedSimd();
  });
  await program.parseAsync();
}

// A reader that has seen enough (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

main().catch((error: unknown) => {
  process.exitCode = reportFailure(error);
});
