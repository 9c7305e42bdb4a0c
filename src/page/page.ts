/** The page for one's own device: says what is here, and runs the benchmark, the verification and a first training. */
import { formatSignificant } from '../cli/lib/table.js';
import { presets } from '../models/presets.js';
import { summariseResults } from '../verify/report.js';
import type { VerifyResult } from '../verify/verify.js';
import type { BenchmarkReport, PageMode, PageResult } from './benchmark.js';
import { Curve } from './chart.js';
import { find, left, make, makeTable, numberOf, right, textOf, textsOf } from './dom.js';
import { startJob } from './job.js';
import { type Found, type Surroundings, type Way, wayNames, ways } from './messages.js';
import { openSection } from './section.js';
import type { TrainingReport, TrainingStep } from './training.js';
import type { VerificationReport } from './verification.js';

const nothingChosen = 'Choose at least one way of computing.';

function chosenWays(form: HTMLFormElement): readonly Way[] {
  const chosen = textsOf(form, 'way');
  return wayNames.filter((way) => chosen.includes(way));
}

// ---- what there is here

function showSurroundings({ cores, isolated, found }: Surroundings): void {
  const section = find(document, '#device', HTMLElement);
  const threads = isolated
    ? 'The page is cross-origin isolated: threads may share memory.'
    : 'The page is not cross-origin isolated, so threads cannot share memory: its server must send the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp.';
  find(section, '.note', HTMLElement).textContent = `${cores} ${cores === 1 ? 'core' : 'cores'}. ${threads}`;
  const rows = found.map((each) => [
    ways[each.way].title,
    make('span', each.available ? 'good' : 'failure', each.available ? 'yes' : 'no'),
    each.available ? describe(each) : each.reason,
  ]);
  find(section, '.results', HTMLElement).append(makeTable([left('computing with'), left('here'), left('')], rows));
}

function describe({ info }: Extract<Found, { available: true }>): string {
  const { adapter } = info;
  if (!adapter) return info.description;
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const gib = (bytes: number): string => `${formatSignificant(bytes / 2 ** 30)} GiB`;
  return [
    `${info.description}`,
    `buffers of ${gib(maxBufferSize)}, bindings of ${gib(maxStorageBufferBindingSize)}`,
    ['subgroups', 'timestamp-query']
      .map((name) => `${name} ${adapter.used.includes(name) ? 'used' : 'missing'}`)
      .join(', '),
  ].join('; ');
}

/** Offers what is here, ticking the fast ones, and shows what is not. */
function offerWays({ found }: Surroundings): void {
  const fast = (each: Found): boolean => each.available && each.way !== 'single' && !each.info.adapter?.software;
  const best = found.find(fast) ?? found.find(({ way, available }) => way === 'single' && available) ?? found[0];
  for (const each of found) {
    for (const group of document.querySelectorAll('fieldset.ways')) {
      const input = make('input', '');
      Object.assign(input, { type: 'checkbox', name: 'way', value: each.way });
      input.disabled = !each.available;
      input.checked = fast(each) || (each.available && each === best);
      group.append(make('label', '', input, ` ${ways[each.way].title}`));
    }
    for (const select of document.querySelectorAll('select.ways')) {
      const option = make('option', '', ways[each.way].title);
      option.value = each.way;
      option.disabled = !each.available;
      option.selected = each === best;
      select.append(option);
    }
  }
}

// ---- the benchmark

function showBenchmark({ results, ratios, machine }: BenchmarkReport): readonly Node[] {
  const ratioOf = (result: PageResult): string => {
    const ratio = ratios.find(({ of }) => of.mode === result.mode && of.variant === result.variant);
    return ratio ? `${ratio.medianRatio.toFixed(2)}×` : '';
  };
  const columns = [
    ...[left('on'), left('what'), right('batch'), right('median ms'), right('±'), right('img/s'), right('GFLOP/s')],
    right('time / first'),
  ];
  const rows = results.map((result) => [
    ...[result.variant ?? result.backend, result.mode, String(result.batch), formatSignificant(result.medianMs)],
    ...[`${result.marginOfErrorPercent.toFixed(1)} %`, formatSignificant(result.imagesPerSecond)],
    ...[formatSignificant(result.gflops), ratioOf(result)],
  ]);
  const title = `${results[0].model}; peak of one core with SIMD ${machine.peakGflopsPerCore.toFixed(1)} GFLOP/s`;
  return [makeTable(columns, rows, title), ...results.map(showLayers)];
}

function showLayers({ variant, mode, layers, layerClock }: PageResult): Node {
  const clock = layerClock
    ? `; means of ${layerClock.runs} runs, for the clock ticks every ${layerClock.tickMs.toFixed(3)} ms here`
    : '';
  const title = `${mode} on ${variant}, layer by layer${clock}`;
  if (!layers) return make('p', 'note', `${title}: the adapter cannot time its kernels (no timestamp-query).`);
  const total = layers.reduce((sum, { ms }) => sum + ms, 0);
  const columns = [left('layer'), left('phase'), left('op'), left('algorithm'), right('ms'), right('GFLOP/s')];
  const rows = layers.map((layer) => [
    ...[layer.name, layer.phase, layer.op, layer.algorithm, layer.ms.toFixed(2), formatSignificant(layer.gflops)],
    `${((layer.ms / total) * 100).toFixed(1)} %`,
  ]);
  return make('details', '', make('summary', '', title), makeTable([...columns, right('share')], rows));
}

// ---- the verification

function showVerification({ summary, results }: VerificationReport): readonly Node[] {
  const { cases, checks, passed, failed, skipped } = summary;
  const verdict = `${cases} cases, ${checks} checks: ${passed} cases passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`;
  const [head, ...rows] = summariseResults(results);
  const columns = head.map((title, i) => (i === 0 ? left(title) : right(title)));
  const wrong = results.filter(({ status }) => status === 'failed').slice(0, mostFailures);
  return [
    make('p', failed > 0 ? 'failure' : 'good', verdict),
    makeTable(columns, rows),
    ...wrong.map((result) => make('p', 'failure', describeFailure(result))),
  ];
}

/** Failures that are listed; the JSON has all. */
const mostFailures = 20;

function describeFailure({ op, quantity, algorithm, backend, case: name, reason }: VerifyResult): string {
  return `${op} ${quantity} [${algorithm}] on ${backend}: ${name}: ${reason}`;
}

// ---- the training

function showTraining({ backend, steps }: TrainingReport): readonly Node[] {
  const every = Math.max(1, Math.ceil(steps.length / 10));
  const shown = steps.filter(({ step }) => step % every === 0 || step === steps.length - 1);
  const row = ({ step, loss, top1, imagesPerSecond }: TrainingStep): string[] => [
    ...[String(step + 1), loss.toFixed(3), `${(top1 * 100).toFixed(0)} %`, formatSignificant(imagesPerSecond)],
  ];
  return [makeTable([right('step'), right('loss'), right('right'), right('img/s')], shown.map(row), backend)];
}

// ---- all of it

for (const select of document.querySelectorAll('select[name=model]')) {
  const [preferred, known] = select.closest('#training')
    ? ['cifar10-quick', [...presets.keys()].filter((name) => name.startsWith('cifar10-'))]
    : ['caffe-alexnet', [...presets.keys()]];
  for (const name of known) select.append(new Option(name, name, name === preferred, name === preferred));
}

try {
  const surroundings = await startJob('look', {}).report;
  showSurroundings(surroundings);
  offerWays(surroundings);
  openSection({
    job: 'benchmark',
    settings: (form) => {
      const modes = textsOf(form, 'mode') as PageMode[];
      const chosen = chosenWays(form);
      if (chosen.length === 0) return nothingChosen;
      if (modes.length === 0) return 'Choose forward, the training step, or both.';
      return { ways: chosen, modes, model: textOf(form, 'model'), batch: numberOf(form, 'batch') };
    },
    show: showBenchmark,
  });
  openSection({
    job: 'verification',
    settings: (form) => {
      const chosen = chosenWays(form);
      return chosen.length === 0 ? nothingChosen : { ways: chosen, quick: textOf(form, 'quick') === 'yes' };
    },
    show: showVerification,
  });
  openSection({
    job: 'training',
    settings: (form) => ({
      way: textOf(form, 'way') as Way,
      model: textOf(form, 'model'),
      batch: numberOf(form, 'batch'),
      steps: numberOf(form, 'steps'),
      seed: numberOf(form, 'seed'),
    }),
    begin: ({ steps }) => {
      const curve = new Curve('loss', steps);
      const caption = make('figcaption', '', 'waiting for the first step');
      const onStep = ({ step, loss, top1 }: TrainingStep): void => {
        curve.add(loss);
        caption.textContent = `step ${step + 1}: loss ${loss.toFixed(3)}, ${(top1 * 100).toFixed(0)} % of the batch right`;
      };
      return { nodes: [make('figure', '', curve.element, caption)], onStep };
    },
    show: showTraining,
  });
  document.documentElement.dataset.ready = 'yes';
} catch (error) {
  find(document, '#device .note', HTMLElement).textContent = `This browser cannot run it: ${(error as Error).message}`;
}
