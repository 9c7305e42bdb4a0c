import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { relativeDifference } from '../bench/agreement.js';
import { type BenchmarkOptions, runBenchmark } from '../bench/benchmark.js';
import { reportPage } from '../bench/html.js';
import { type Implementation, MissingPeer, type Mode, type Peer, type PeerSetting } from '../bench/implementation.js';
import { layerTables } from '../bench/layers.js';
import { formatMarkdown, formatReport } from '../bench/print.js';
import { type Contender, median, medianRatio, sample } from '../bench/sampler.js';
import { flopsOf, workloadOf } from '../bench/workload.js';
import { inferenceGraph } from '../src/engine/graphs.js';
import { caffeAlexnet } from '../src/models/caffeAlexnet.js';

const tiny = caffeAlexnet({ classes: 5, width: 0.04, inputSize: 67 });

t.test('median', async (t) => {
  t.equal(median([3]), 3);
  t.equal(median([5, 1, 3]), 3);
  t.equal(median([4, 1, 3, 2]), 2.5);
});

/** Times itself: takes the next figure of the list at each call, and says so after a moment. */
function scripted(name: string, figures: readonly number[], log: string[] = []): Contender {
  return {
    name,
    async run(call) {
      log.push(`${name} ${call}`);
      await wait(1);
      return figures[call % figures.length];
    },
  };
}

t.test('sampler', async (t) => {
  const quick = { warmUp: 1, minTimeMs: 1, pauseMs: 0 };

  t.test("a contender's own clock counts, over all rounds", async (t) => {
    // The first figure is the warm-up's.
    const [a, b] = await sample([scripted('a', [99, 10, 20, 60]), scripted('b', [99, 5, 5, 20])], {
      ...quick,
      rounds: 3,
    });
    t.strictSame(a.samplesMs.map(Math.round), [10, 20, 60]);
    t.match(a.medianMs.toFixed(6), '20.000000');
    t.match(a.minMs.toFixed(6), '10.000000');
    t.match(medianRatio(a, b).toFixed(6), '3.000000', 'of 2, 4 and 3');
    t.match(medianRatio(b, a).toFixed(6), (1 / 3).toFixed(6));
  });

  t.test('the margin of error is the 95 % interval of the mean by Student, over all rounds', async (t) => {
    const [{ marginOfErrorPercent }] = await sample([scripted('a', [99, 10, 20, 60])], { ...quick, rounds: 3 });
    const deviation = Math.sqrt(((10 - 30) ** 2 + (20 - 30) ** 2 + (60 - 30) ** 2) / 2);
    const studentsT = 4.303;
    t.match(marginOfErrorPercent.toFixed(6), ((((studentsT * deviation) / Math.sqrt(3)) * 100) / 30).toFixed(6));
  });

  t.test('contenders take turns, and calls count up', async (t) => {
    const log: string[] = [];
    await sample([scripted('a', [50], log), scripted('b', [50], log)], { ...quick, warmUp: 2, rounds: 2 });
    t.strictSame(log, ['a 0', 'a 1', 'b 0', 'b 1', 'a 2', 'b 2', 'a 3', 'b 3']);
  });

  t.test('a cycle repeats short runs, and a sample is the mean of its runs', async (t) => {
    const log: string[] = [];
    const [{ samplesMs }] = await sample([scripted('a', [2], log)], { warmUp: 1, minTimeMs: 8, pauseMs: 0, rounds: 1 });
    t.match(samplesMs[0].toFixed(6), '2.000000');
    t.equal(log.length, 1 + 1 + 4, 'warm-up, one run to estimate the count, and 8 ms in runs of 2 ms');
  });

  t.test("without a clock of its own the contender is timed by Benchmark.js's", async (t) => {
    const sleeper: Contender = {
      name: 'sleeper',
      async run() {
        await wait(20);
        return undefined;
      },
    };
    const [{ samplesMs }] = await sample([sleeper], { ...quick, rounds: 2 });
    t.equal(samplesMs.length, 2);
    t.ok(samplesMs.every((ms) => ms > 15));
  });

  t.test('the budget decides the number of rounds, within limits', async (t) => {
    const rounds = async (options: object) => {
      const [{ samplesMs }] = await sample([scripted('a', [5])], { ...quick, ...options });
      return samplesMs.length;
    };
    t.equal(await rounds({ budgetMs: 0, leastRounds: 3 }), 3);
    t.equal(await rounds({ budgetMs: 1e6, mostRounds: 4 }), 4);
  });

  t.test('what a contender throws is passed on', async (t) => {
    const failing: Contender = {
      name: 'failing',
      async run(call) {
        if (call > 0) throw new Error('out of order');
        return 5;
      },
    };
    await t.rejects(sample([failing], { ...quick, rounds: 2 }), { message: 'out of order' });
  });
});

t.test('workload', async (t) => {
  const pixels = 3 * 67 * 67;
  const images = Float32Array.from({ length: 2 * pixels }, (_, i) => Math.floor(i / pixels));
  const { inputs } = workloadOf(tiny, 3, images);
  t.ok(inputs.length > 1, 'several batches');
  const firstPixels = inputs.map((input) => [0, 1, 2].map((n) => input.images[n * pixels]));
  t.strictSame(
    firstPixels.slice(0, 2),
    [
      [0, 1, 0],
      [1, 0, 1],
    ],
    'each starts one image further on',
  );
  t.strictSame([...inputs[1].labels], [1, 0, 1]);

  const noise = workloadOf(tiny, 2).inputs;
  t.equal(noise[0].images.length, 2 * pixels);
  // Comparing long arrays element by element takes tap most of a minute.
  const alike = (a: Float32Array, b: Float32Array) => a.length === b.length && a.every((value, i) => value === b[i]);
  t.ok(alike(noise[0].images.subarray(pixels), noise[1].images.subarray(0, pixels)));
  t.notOk(alike(noise[0].images, noise[1].images));
  t.ok(alike(workloadOf(tiny, 2).inputs[0].images, noise[0].images), 'always the same noise');
});

t.test('operations of caffe-alexnet', async (t) => {
  const model = caffeAlexnet();
  const graph = inferenceGraph(model, 1);
  const types = (ids: readonly number[]) => ids.map((id) => graph.values[id]);
  const macs = graph.nodes.map((n) => n.op.cost(n.attributes, types(n.inputs), types(n.outputs)).macs);
  t.equal(
    macs.reduce((a, b) => a + b),
    724_406_816,
    'multiply-adds of one image',
  );
  const forward = flopsOf(model, 1, 'forward');
  t.ok(forward >= 2 * 724_406_816 && forward < 2.02 * 724_406_816, 'the rest is little');
  // Two products of matrices for each one of forward, but no gradient for the images.
  const backward = 2 * (2 * 724_406_816 - 105_415_200);
  const counted = flopsOf(model, 1, 'backward');
  t.ok(counted >= backward && counted < 1.02 * backward);
  t.ok(flopsOf(model, 1, 'step') > forward + counted);
  t.equal(flopsOf(model, 16, 'forward'), 16 * forward);
});

t.test('agreement of logits', async (t) => {
  const difference = (found: number[], expected: number[]) =>
    relativeDifference(Float32Array.from(found), Float32Array.from(expected));
  t.equal(difference([1, 2, -4], [1, 2, -4]), 0);
  t.equal(difference([1, 2.5, -4], [1, 2, -4]), 0.125);
  t.equal(difference([1], [1, 2]), Number.POSITIVE_INFINITY);
  t.ok(Number.isNaN(difference([Number.NaN, 2], [1, 2])));
  t.ok(Number.isNaN(difference([1, 2], [1, Number.NaN])));
});

/** Takes 7 ms for everything, and is wrong. */
function fakePeer(name: string): Peer {
  return {
    name,
    async open({ batch, model }: PeerSetting): Promise<Implementation> {
      return {
        name,
        version: '1.2.3',
        backend: 'cpu',
        threads: 2,
        modes: ['forward'],
        run: async () => 7,
        logits: async () => new Float32Array(batch * model.classes).fill(7),
        close: async () => {},
      };
    },
  };
}

const missing: Peer = {
  name: 'elsewhere',
  open: () => Promise.reject(new MissingPeer('elsewhere is not installed')),
};

t.test('report', async (t) => {
  const options: BenchmarkOptions = {
    model: tiny,
    batches: [1, 2],
    backends: ['wasm'],
    threads: [1],
    modes: ['forward', 'backward', 'step'],
    layers: true,
    peers: [fakePeer('fake'), missing],
    memoryModes: [],
    sampling: { rounds: 2, warmUp: 1, minTimeMs: 1, pauseMs: 0 },
  };
  const report = await runBenchmark(options);

  t.match(report.machine, { cpu: String, cores: Number, node: process.version, peakGflopsPerCore: Number });
  t.ok(report.machine.peakGflopsPerCore > 0);
  const subjects = report.results.map(({ implementation, mode, batch }) => `${implementation} ${mode} ${batch}`);
  t.strictSame(
    subjects,
    [1, 2].flatMap((batch) =>
      ['tandem forward', 'fake forward', 'tandem backward', 'tandem step'].map((what) => `${what} ${batch}`),
    ),
  );
  for (const result of report.results) {
    t.match(result, {
      model: 'caffe-alexnet',
      backend: String,
      threads: Number,
      medianMs: Number,
      minMs: Number,
      marginOfErrorPercent: Number,
      rounds: 2,
    });
    t.equal(result.imagesPerSecond, (result.batch / result.medianMs) * 1000);
    t.equal(result.gflops, flopsOf(tiny, result.batch, result.mode) / result.medianMs / 1e6);
    t.equal(result.layers === undefined, result.implementation !== 'tandem');
  }
  t.strictSame(
    report.ratios.map(({ of, to }) => [of.implementation, to.implementation, of.mode, of.batch]),
    [
      ['fake', 'tandem', 'forward', 1],
      ['fake', 'tandem', 'forward', 2],
    ],
  );
  t.strictSame(report.missing, [{ implementation: 'elsewhere', reason: 'elsewhere is not installed' }]);
  t.match(report.agreement, [{ of: 'fake', to: 'tandem', agrees: false }, { agrees: false }]);
  t.match(report.coldStart, [{ backend: 'wasm', batch: 1 }]);
  t.equal(report.coldStart.length, 1);

  t.test('layers', async (t) => {
    const phases = (mode: Mode) => {
      const { layers } = report.results.find((result) => result.mode === mode) ?? {};
      return [...new Set(layers?.map(({ phase }) => phase))];
    };
    t.strictSame(phases('forward'), ['forward']);
    t.strictSame(phases('backward'), ['backward']);
    t.strictSame(phases('step'), ['forward', 'backward', 'update']);
    const [{ rows, totalMs }] = layerTables(report.results);
    t.strictSame(
      rows.slice(0, 3).map(({ name }) => name),
      ['conv1', 'relu1', 'norm1'],
      'in the order of the network',
    );
    const share = rows.reduce((sum, row) => sum + row.share, 0);
    t.ok(Math.abs(share - 1) < 1e-9, 'shares add up');
    t.ok(totalMs > 0);
  });

  t.test('what bounds a layer', async (t) => {
    const forward = report.results.find(({ mode }) => mode === 'forward');
    const peak = Math.max(...(forward?.corePeaksGflops ?? []));
    const conv2 = forward?.layers?.find(({ name }) => name === 'conv2');
    t.ok(conv2 && peak > 0);
    if (!conv2) return;
    t.equal(conv2.percentOfPeak, (conv2.gflops / peak) * 100);
    t.equal(conv2.gbPerSecond, conv2.bytes / conv2.ms / 1e6);
    t.ok((conv2.gemmGflops ?? 0) > conv2.gflops, 'the product inside is faster than the layer with its packing');
    t.equal(conv2.gemmPercentOfPeak, ((conv2.gemmGflops ?? 0) / peak) * 100);
    const pool1 = forward?.layers?.find(({ name }) => name === 'pool1');
    t.ok(pool1 && pool1.bytes > 0 && pool1.gemmGflops === undefined);

    const backward = report.results.find(({ mode }) => mode === 'backward');
    const { ops = [], ms = 0 } = backward?.layers?.find(({ name }) => name === 'conv2') ?? {};
    t.strictSame(ops.map(({ op }) => op).sort(), ['conv2dBiasGradient', 'conv2dDataGradient', 'conv2dWeightGradient']);
    t.ok(ops.every((op) => op.ms < ms));
  });

  t.test('Markdown', async (t) => {
    const lines = formatMarkdown({ ...report, missing: [{ implementation: 'x', reason: 'none' }] }).split('\n');
    t.ok(lines.includes('not measured: none'));
    const logits = lines.find((line) => line.startsWith('| logits of')) ?? '';
    t.match(logits, 'max\\|Δ\\|', 'a bar inside a cell is no border');
    const head = lines.find((line) => line.startsWith('| layer')) ?? '';
    const cells = (line: string) => line.split(/(?<!\\)\|/).length;
    t.ok(lines.some((line) => line.startsWith('| total | update |')));
    for (const line of lines.filter((line) => /^\| (conv|pool|total)/.test(line))) t.equal(cells(line), cells(head));
  });

  t.test('text', async (t) => {
    const text = formatReport(report);
    for (const part of [
      'fake 1.2.3',
      'DISAGREE',
      'not measured: elsewhere is not installed',
      'cold start',
      'conv5',
      'total',
    ]) {
      t.match(text, part);
    }
  });

  t.test('page', async (t) => {
    const page = reportPage({ ...report, missing: [{ implementation: 'x', reason: 'a < b & c' }] });
    t.match(page, 'a &lt; b &amp; c');
    t.equal(page.match(/<h2>/g)?.length, 2, 'a table of layers for each batch size');
    t.notMatch(page, /<script|src=|href=/);
  });

  t.test('several numbers of threads, several SIMD levels', async (t) => {
    const { results, scaling, comparisons, agreement } = await runBenchmark({
      ...options,
      batches: [1],
      modes: ['forward'],
      layers: false,
      simd: ['auto', 'plain'],
      threads: [2, 1],
      peers: [fakePeer('fake')],
    });
    const subjects = results.map(({ implementation, variant, threads }) => [implementation, variant, threads]);
    const best = results[0].variant;
    t.strictSame(subjects, [
      ['tandem', best, 2],
      ['tandem', 'plain SIMD', 2],
      ['fake', undefined, 2],
      ['tandem', best, 1],
      ['tandem', 'plain SIMD', 1],
      ['fake', undefined, 2],
    ]);
    t.strictSame(
      scaling.map(({ of, to }) => [of.threads, to.threads]),
      [[1, 2]],
    );
    t.strictSame(
      comparisons.map(({ of, to }) => [of.variant, of.threads, to.implementation]),
      [2, 1].flatMap((threads) => [best, 'plain SIMD'].map((variant) => [variant, threads, 'fake'])),
    );
    const own = agreement.filter(({ of }) => of === 'tandem');
    t.ok(own.length === 2 && own.every(({ agrees }) => agrees), 'the same weights');
  });

  t.test('int16 weights stand beside float32, forward only, and are called lossy', async (t) => {
    const lossy = await runBenchmark({ ...options, batches: [1], linearWeights: 'int16', peers: [fakePeer('fake')] });
    const variant = 'int16 linear weights, lossy';
    const subjects = lossy.results.map(({ implementation, mode, ...rest }) => [implementation, mode, rest.variant]);
    t.strictSame(subjects.slice(0, 2), [
      ['tandem', 'forward', undefined],
      ['tandem', 'forward', variant],
    ]);
    t.strictSame(
      subjects.filter(([, mode, lossyVariant]) => mode !== 'forward' && lossyVariant),
      [],
    );
    t.match(
      lossy.comparisons.filter(({ of }) => of.mode === 'forward').map(({ of, to }) => [of.variant, to.implementation]),
      [
        [undefined, 'fake'],
        [variant, 'fake'],
      ],
    );
    const [own] = lossy.agreement;
    t.match(own, { of: 'tandem', variant, lossy: true, bound: 1e-3, agrees: true });
    t.ok(own.difference > 1e-7, String(own.difference));
    t.match(formatReport(lossy), /tandem \(int16 linear weights, lossy\).* lossy\n/);
  });

  t.test('forced algorithms', async (t) => {
    const once: BenchmarkOptions = { ...options, batches: [1], modes: ['forward'], peers: [] };
    const { algorithms, results } = await runBenchmark({ ...once, algorithms: { fc8: 'panels' } });
    t.strictSame(algorithms, { fc8: 'panels' });
    const layers = results[0].layers ?? [];
    t.equal(layers.find(({ name }) => name === 'fc8')?.algorithm, 'panels');
    t.equal(layers.find(({ name }) => name === 'fc7')?.algorithm, 'rows');
    await t.rejects(runBenchmark({ ...once, algorithms: { fc9: 'panels' } }), /no op and no node 'fc9'.*fc8/);
    await t.rejects(
      runBenchmark({ ...once, algorithms: { linearDataGradient: 'guess' } }),
      /linearDataGradient has no algorithm 'guess' \(there are: /,
    );
  });

  t.test('opening a file of weights', async (t) => {
    const peer = fakePeer('onnxruntime-node');
    const { openings } = await runBenchmark({
      ...options,
      batches: [2],
      modes: ['forward'],
      layers: false,
      peers: [peer],
    });
    t.strictSame(
      openings.map(({ implementation, batch, threads }) => [implementation, batch, threads]),
      [
        ['tandem', 2, 1],
        ['onnxruntime-node', 2, 1],
      ],
    );
    const [ours, theirs] = openings;
    for (const { samplesMs, medianMs, minMs, firstRunMs, fileMB } of openings) {
      t.ok(samplesMs.length > 2 && minMs > 0 && minMs <= medianMs && firstRunMs > 0 && fileMB > 0);
    }
    t.equal(ours.ratio, undefined);
    t.ok((theirs.ratio ?? 0) > 0);
    t.match(
      formatReport({ ...report, openings }),
      /open caffe-alexnet, .* batch 2: ours .*, onnxruntime-node .* ratio \d/,
    );
    t.strictSame(report.openings, [], 'only next to a peer that opens a file too');
  });

  t.test('without layers and peers', async (t) => {
    const { results, ratios, agreement } = await runBenchmark({
      ...options,
      batches: [1],
      modes: ['forward'],
      layers: false,
      peers: [],
      memoryModes: ['forward'],
    });
    t.equal(results.length, 1);
    t.equal(results[0].layers, undefined);
    t.ok((results[0].peakRssMB ?? 0) > 10, 'memory of a process of its own');
    t.strictSame([ratios, agreement], [[], []]);
  });
});
