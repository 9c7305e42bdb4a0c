/** Layer times by a clock that is coarser than the kernels. */
import t from 'tap';
import { workloadOf } from '../bench/workload.js';
import { foldLayers, type StepTimes } from '../src/engine/profile.js';
import { type Plan, type Profile, type ProfileOptions, preset } from '../src/index.js';
import { tickOf, timeLayers } from '../src/page/layers.js';

t.test('a rounded clock is told by its times', async (t) => {
  t.equal(tickOf([0.1, 0, 2.3, 0.30000000000000004]), 0.1);
  t.equal(tickOf([0, 0]), 0.1);
  t.equal(tickOf([0.065536, 6 * 0.065536]), 0.065536);
  t.equal(tickOf([0.1, 0.115]), undefined);
  t.equal(tickOf([0.012, 0.3]), undefined);
});

t.test('means of rounded times come near what medians lose', async (t) => {
  const step = { layer: 'pool1', phase: 'forward', op: 'maxPool', algorithm: 'direct', flops: 1, macs: 0, bytes: 4 };
  const plan = { steps: [step, { ...step, layer: 'conv2' }] } as unknown as Plan;
  const [tick, took] = [0.1, 0.03];
  const runs = Array.from({ length: 100 }, (_, i): StepTimes => {
    // Starts somewhere within a tick.
    const start = (i * 0.618 * tick) % tick;
    const rounded = (Math.floor((start + took) / tick) - Math.floor(start / tick)) * tick;
    return { timings: Float64Array.of(rounded, 10 * tick) };
  });
  const ms = (average: 'median' | 'mean') => foldLayers(plan, runs, ['forward'], average).map((layer) => layer.ms);
  t.equal(ms('median')[0], 0);
  const [pool1, conv2] = ms('mean');
  t.ok(Math.abs(pool1 - took) < 0.1 * took, `${pool1} ms`);
  t.ok(Math.abs(conv2 - 1) < 1e-9);
});

t.test('in a page many runs make up for a rounded clock', async (t) => {
  const asked: ProfileOptions[] = [];
  const by = (times: readonly number[], wallMs = 20) => ({
    async profile(mode: Profile['mode'], _: unknown, __: unknown, options: ProfileOptions = {}): Promise<Profile> {
      asked.push(options);
      const layer = {
        name: 'conv1',
        phase: 'forward',
        op: 'conv2d',
        algorithm: 'direct',
        macs: 1,
        flops: 6e6,
        bytes: 4,
      };
      const layers = times.map((ms) => ({ ...layer, ms, ops: [] })) as unknown as Profile['layers'];
      return { mode, batch: 1, repeats: options.repeats ?? 0, layers, totalMs: 1, wallMs };
    },
  });
  const [input] = workloadOf(preset('cifar10-quick'), 1).inputs;
  const coarse = await timeLayers(by([0.1, 0, 0.6]), 'forward', input);
  t.same(asked, [{ repeats: 3 }, { repeats: 100, average: 'mean' }]);
  t.same(coarse.layerClock, { tickMs: 0.1, runs: 100 });
  t.same(
    coarse.layers?.map(({ gflops }) => Math.round(gflops)),
    [60, 0, 10],
  );
  t.same((await timeLayers(by([0.1, 0], 1500), 'step', input)).layerClock, { tickMs: 0.1, runs: 3 }, 'in time');

  asked.length = 0;
  t.equal((await timeLayers(by([0.1, 0.017]), 'forward', input)).layerClock, undefined);
  t.same(asked, [{ repeats: 3 }]);
});
