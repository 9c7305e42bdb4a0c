import { compile, instantiate } from './module.js';
import { relaxedSimdAvailable } from './platform.js';

/**
 * GFLOP/s of one core, from a kernel that touches nothing but registers: what any kernel of this backend could reach at
 * most. The best of several short runs, so that it is the core's peak and not its mood.
 */
export async function measurePeak(
  simd: 'plain' | 'relaxed' = relaxedSimdAvailable() ? 'relaxed' : 'plain',
): Promise<number> {
  const kernels = instantiate(await compile(simd), new WebAssembly.Memory({ initial: 4, maximum: 65535 }));
  const rounds = 2_000_000;
  // Compiled code takes over during the first runs.
  for (let i = 0; i < 5; i++) kernels.peak(rounds / 10, 0.5);
  let best = 0;
  for (let i = 0; i < 25; i++) {
    const start = performance.now();
    kernels.peak(rounds, 0.5);
    best = Math.max(best, (rounds * 96) / (performance.now() - start) / 1e6);
  }
  return best;
}
