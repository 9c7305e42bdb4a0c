/** `tandem verify` in a page. */
import type { BackendInfo } from '../backends/backend.js';
import { openBackend } from '../backends/open.js';
import { type Contestant, type VerifyReport, verify } from '../verify/verify.js';
import { type OnProgress, type Way, ways } from './messages.js';

export interface VerificationSettings {
  readonly ways: readonly Way[];
  readonly quick: boolean;
  /** Cases of this op only. */
  readonly op?: string;
}

/** That of `tandem verify --json`, and what it was made with. */
export interface VerificationReport extends VerifyReport {
  readonly browser: string;
  readonly backends: readonly BackendInfo[];
}

export async function runVerification(
  settings: VerificationSettings,
  onProgress: OnProgress,
): Promise<VerificationReport> {
  const contestants: Contestant[] = [];
  try {
    for (const way of settings.ways) {
      const backend = await openBackend(ways[way].options);
      const { simd, threads, sharedMemory } = backend.info;
      const parts = [backend.info.name, ...(simd === 'none' ? [] : [simd, sharedMemory ? `×${threads}` : 'unshared'])];
      contestants.push({ label: parts.join(' '), backend });
    }
    const report = await verify({
      backends: contestants,
      quick: settings.quick,
      op: settings.op,
      onCase: (done, total, next) => onProgress(done, total, `${next.op.name}: ${next.name}`),
    });
    const backends = contestants.map(({ backend }) => backend.info);
    return { browser: navigator.userAgent, backends, ...report };
  } finally {
    for (const { backend } of contestants) await backend.close();
  }
}
