import os from 'node:os';
import { Command } from 'commander';
import type { AdapterInfo, BackendInfo } from '../backends/backend.js';
import { backendNames, openBackend } from '../backends/open.js';
import { TandemError } from '../errors.js';
import { adapterOption } from './lib/adapter.js';
import { print, writeJson } from './lib/output.js';
import { formatBytes, formatTable } from './lib/table.js';

type Found =
  | ({ readonly available: true } & BackendInfo)
  | { readonly available: false; readonly name: string; readonly reason: string };

/** `tandem info` */
export function infoCommand(): Command {
  return new Command('info')
    .description('the backends, adapters, features, threads and limits found on this machine')
    .addOption(adapterOption())
    .option('--json <file>', "write what was found to a file ('-': standard output)")
    .action(async (options: { json?: string }) => {
      const machine = describeMachine();
      const backends: Found[] = [];
      for (const name of backendNames) backends.push(await probe(name));
      if (options.json !== '-') print(formatInfo(machine, backends));
      if (options.json !== undefined) await writeJson(options.json, { machine, backends });
    });
}

function describeMachine() {
  return {
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    node: process.version,
    platform: `${os.platform()} ${os.arch()}`,
  };
}

async function probe(name: (typeof backendNames)[number]): Promise<Found> {
  try {
    const backend = await openBackend({ backend: name });
    const { info } = backend;
    await backend.close();
    return { available: true, ...info };
  } catch (error) {
    if (!(error instanceof TandemError)) throw error;
    return { available: false, name, reason: error.message };
  }
}

function formatInfo(machine: ReturnType<typeof describeMachine>, backends: readonly Found[]): string {
  const { cpu, cores, memoryBytes, node, platform } = machine;
  const rows: string[][] = [];
  const notes: string[] = [];
  const adapters: string[] = [];
  for (const found of backends) {
    if (!found.available) notes.push(`${found.name} is not to be had here: ${found.reason}`);
    else rows.push(describeBackend(found));
    if (found.available && found.adapter) adapters.push('', ...describeAdapter(found.adapter));
  }
  return [
    `${cpu}, ${cores} ${cores === 1 ? 'core' : 'cores'}, ${formatBytes(memoryBytes)}, ${platform}, node ${node}`,
    '',
    formatTable(
      [
        { title: 'backend', align: 'left' },
        { title: 'threads', align: 'right' },
        { title: 'SIMD', align: 'left' },
        { title: 'shared memory', align: 'left' },
        { title: 'memory limit', align: 'right' },
      ],
      rows,
    ),
    ...adapters,
    ...(notes.length > 0 ? ['', ...notes] : []),
  ].join('\n');
}

function describeBackend({ name, threads, simd, sharedMemory, memoryLimit }: BackendInfo): string[] {
  const limit = memoryLimit >= Number.MAX_SAFE_INTEGER ? '–' : formatBytes(memoryLimit);
  return [name, String(threads), simd, sharedMemory ? 'yes' : 'no', limit];
}

function describeAdapter({ name, software, features, used, limits }: AdapterInfo): string[] {
  return [
    `${software ? 'software adapter' : 'adapter'}: ${name}`,
    `features: ${features.join(', ') || 'none'}`,
    `of them used: ${used.join(', ') || 'none'}`,
    `limits: ${Object.entries(limits)
      .map(([limit, value]) => `${limit} ${value.toLocaleString('en-US')}`)
      .join(', ')}`,
  ];
}
