/** Every kernel in WGSL, with every algorithm, against the float64 reference and against its mirror in WebAssembly. */
import t from 'tap';
import { openBackend } from '../src/backends/open.js';
import { algorithms } from '../src/backends/webgpu/lower/rules.js';
import { selectCases } from '../src/verify/tables.js';
import { trace } from '../src/verify/trace.js';
import { type VerifyResult, verify } from '../src/verify/verify.js';
import { firstAlgorithm } from './support/firstAlgorithm.js';
import { onSoftwareAdapter } from './support/software.js';

await onSoftwareAdapter();

t.test('the quick cases', async (t) => {
  const wasm = await openBackend({ backend: 'wasm', threads: 1 });
  const webgpu = await openBackend({ backend: 'webgpu' });
  t.teardown(() => Promise.all([wasm.close(), webgpu.close()]));
  const { summary, results } = await verify({
    backends: [
      { label: 'wasm', backend: firstAlgorithm(wasm) },
      { label: 'webgpu', backend: webgpu },
    ],
    quick: true,
  });
  for (const result of results) if (result.status === 'failed') t.fail(JSON.stringify(result));
  t.match(summary, { passed: summary.cases, failed: 0, skipped: 0 });
  t.ok(summary.cases > 1000, `${summary.cases} cases, ${summary.checks} checks`);

  const own = results.filter(({ backend }) => backend === 'webgpu');
  const checked = (by: string) => own.filter(({ against }) => against === by).map(keyOf);
  const wanted = new Set<string>();
  const reached = new Set<string>();
  for (const one of selectCases({ quick: true })) {
    if (one.data === 'nonFinite') continue;
    for (const { graph, quantity } of trace(one)) {
      const [node] = graph.nodes;
      for (const algorithm of webgpu.algorithms(graph, node)) {
        wanted.add(keyOf({ op: one.op.name, case: one.name, quantity, algorithm }));
        reached.add(`${node.op.name} ${algorithm}`);
      }
    }
  }
  for (const by of ['reference', 'wasm']) {
    const found = new Set(checked(by));
    t.same(
      [...wanted].filter((key) => !found.has(key)),
      [],
      `all of them against ${by}`,
    );
  }
  const all = Object.entries(algorithms).flatMap(([op, list]) => list.map(({ name }) => `${op} ${name}`));
  t.same(
    all.filter((name) => !reached.has(name)),
    [],
    'every algorithm of every op is reached',
  );
});

function keyOf(row: Pick<VerifyResult, 'op' | 'case' | 'quantity' | 'algorithm'>): string {
  return [row.op, row.case, row.quantity, row.algorithm].join(', ');
}
