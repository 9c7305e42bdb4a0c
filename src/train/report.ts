/** A training run as one page that needs nothing else: curves, filters, what was confused and which images, and how it was run. */
import type { Dataset } from '../data/dataset.js';
import { pixelsOfPlanes, reduce } from '../data/pixels.js';
import { pngDataUri } from '../data/png.js';
import { ArgumentError } from '../errors.js';
import { escapeHtml, htmlPage } from '../html.js';
import { elements, formatShape } from '../ops/define.js';
import { chartStyle, formatFigure, lineChart, type Point } from './chart.js';
import { confusionSection } from './confusion.js';
import type { Evaluation } from './evaluate.js';
import type { TrainingEvent } from './events.js';
import { type FirstFilters, filterPictures } from './filters.js';
import { reportStyle } from './reportStyle.js';

export interface TrainingReportInput {
  /** Of the run from its beginning; after a resumption also those of the log before. */
  readonly events: readonly TrainingEvent[];
  /** How it was run, in the order in which it is to be read: `runFacts`, and whatever else belongs there. */
  readonly facts: Readonly<Record<string, string>>;
  /** `await firstFilters(network)` */
  readonly filters?: FirstFilters;
  /** Of the trained network, on `dataset`. */
  readonly evaluation?: Evaluation;
  /** What was evaluated: images that were mistaken are shown. */
  readonly dataset?: Dataset;
}

/** Mistakes that are shown. */
const mostMistakes = 40;

/** Longest side of an image on the page; larger ones are reduced. */
const largestImage = 128;

type Of<Kind extends TrainingEvent['kind']> = Extract<TrainingEvent, { kind: Kind }>;

/** The run's events by their kind. */
interface Log {
  readonly steps: readonly Of<'step'>[];
  readonly validations: readonly Of<'validation'>[];
  readonly drops: readonly Of<'drop'>[];
  readonly end: Of<'end'> | undefined;
}

/**
 * The HTML of the page. It holds no script and refers to no other file.
 *
 * @throws ArgumentError when the evaluation and the dataset do not belong together; what reading the mistaken images throws
 */
export async function trainingReport(input: TrainingReportInput): Promise<string> {
  const { evaluation, dataset, filters } = input;
  checkEvaluation(evaluation, dataset);
  const log = sorted(input.events);
  const model = input.facts.model ?? 'a network';
  const sections = [
    section('Curves', 'curves', curves(log)),
    filters && section('First filters', 'filters', await filterSection(filters)),
    evaluation && section('Confusion', 'confusion', await confusionOf(evaluation, dataset)),
    evaluation && dataset && section('Mistakes', 'mistakes', await mistakes(evaluation, dataset)),
    section('The run', 'facts', factsTable(input.facts)),
  ];
  const head = `<header><h1>Training of ${escapeHtml(model)}</h1>\n${tiles(log, evaluation)}</header>`;
  const body = [head, ...sections.filter((each) => each !== undefined)].join('\n');
  return htmlPage(`Training of ${model}`, `${reportStyle}${chartStyle}`, body);
}

function checkEvaluation(evaluation: Evaluation | undefined, dataset: Dataset | undefined): void {
  if (!evaluation || !dataset) return;
  const images = dataset.labels.length;
  const wrong = evaluation.mistakes.find(({ index, label }) => dataset.labels[index] !== label);
  if (evaluation.images === images && !wrong) return;
  throw new ArgumentError(
    `the evaluation is not of ${dataset.name}: it is of ${evaluation.images} images, ${dataset.name} has ${images}${wrong ? `, and image ${wrong.index} has another label` : ''}`,
  );
}

function sorted(events: readonly TrainingEvent[]): Log {
  const of = <Kind extends TrainingEvent['kind']>(kind: Kind) =>
    events.filter((event): event is Of<Kind> => event.kind === kind);
  return { steps: of('step'), validations: of('validation'), drops: of('drop'), end: of('end').at(-1) };
}

function section(title: string, id: string, content: string): string {
  return `<section id="${id}">\n<h2>${title}</h2>\n${content}\n</section>`;
}

/** The figures that one looks for first. */
function tiles({ steps, validations, end }: Log, evaluation: Evaluation | undefined): string {
  const best = validations.reduce<Of<'validation'> | undefined>(
    (most, each) => (most && most.top1 >= each.top1 ? most : each),
    undefined,
  );
  const last = steps.at(-1);
  const figures: [string, string, string][] = [];
  if (evaluation) figures.push([percent(evaluation.top1), 'right', `of ${count(evaluation.images)} images evaluated`]);
  if (evaluation) figures.push([formatFigure(evaluation.loss), 'loss', 'on them']);
  if (best) figures.push([percent(best.top1), 'best validation', `after step ${count(best.step)}`]);
  if (last) figures.push([count(last.step), last.step === 1 ? 'step' : 'steps', end ? end.reason : 'not ended']);
  if (steps.length > 0) figures.push([formatFigure(typicalSpeed(steps)), 'images/s', 'median of the steps']);
  const tile = ([value, what, more]: [string, string, string]) =>
    `<div class="tile"><strong>${escapeHtml(value)}</strong><span>${escapeHtml(what)}</span><small>${escapeHtml(more)}</small></div>`;
  return `<div class="tiles">${figures.map(tile).join('\n')}</div>`;
}

function curves({ steps, validations, drops }: Log): string {
  if (steps.length + validations.length === 0) return '<p>No step was taken.</p>';
  const marks = drops.map(({ step, lr }) => ({ x: step, text: formatFigure(lr) }));
  const ofSteps = (figure: (event: Of<'step'>) => number): Point[] => steps.map((event) => [event.step, figure(event)]);
  const ofValidations = (figure: (event: Of<'validation'>) => number): Point[] =>
    validations.map((event) => [event.step, figure(event)]);
  const both = (figure: 'loss' | 'top1' | 'top5') =>
    [
      { name: 'training', points: ofSteps((event) => event[figure]) },
      { name: 'validation', points: ofValidations((event) => event[figure]), dots: true },
    ].filter(({ points }) => points.length > 0);
  const charts = [
    lineChart({ title: 'loss', x: 'step', series: both('loss'), marks }),
    lineChart({
      title: 'accuracy (top 1)',
      x: 'step',
      series: both('top1'),
      scale: 'linear',
      format: wholePercent,
      marks,
    }),
    lineChart({ title: 'accuracy (top 5)', x: 'step', series: both('top5'), scale: 'linear', format: wholePercent }),
    lineChart({
      title: 'learning rate',
      x: 'step',
      series: [{ name: 'rate', points: ofSteps(({ lr }) => lr) }],
      scale: 'log',
    }),
    lineChart({
      title: 'throughput (images/s)',
      x: 'step',
      series: [{ name: 'images/s', points: ofSteps(({ imagesPerSecond }) => imagesPerSecond) }],
      scale: 'linear',
      yFrom: 0,
    }),
  ];
  const bad = steps.find(({ loss }) => !Number.isFinite(loss));
  const note = bad
    ? `<p class="bad">The loss was not finite (${bad.loss}) at step ${count(bad.step)} and is left out from there.</p>\n`
    : '';
  const shown = charts.map((chart) => `<figure>${chart}</figure>`);
  return `${note}<div class="charts">\n${shown.join('\n')}\n</div>`;
}

async function filterSection(filters: FirstFilters): Promise<string> {
  const pictures = await Promise.all(filterPictures(filters).map(pngDataUri));
  const images = pictures.map((uri, i) => `<img src="${uri}" alt="filter ${i}" title="filter ${i}">`);
  const note = `The ${pictures.length} filters of ${escapeHtml(filters.name)} ${formatShape(filters.shape)}, each with its own contrast: grey is 0.`;
  return `<p>${note}</p>\n<div class="filters">\n${images.join('\n')}\n</div>`;
}

async function confusionOf(evaluation: Evaluation, dataset: Dataset | undefined): Promise<string> {
  const { images, top1, top5, loss, confusion, classes } = evaluation;
  const where = dataset ? ` of ${dataset.name}` : '';
  const line = `${count(images)} images${where}: ${percent(top1)} right, ${percent(top5)} among the first five, loss ${formatFigure(loss)}.`;
  const content = await confusionSection({ counts: confusion, classes });
  return `<p>${escapeHtml(line)}</p>\n${content}`;
}

async function mistakes(evaluation: Evaluation, dataset: Dataset): Promise<string> {
  const shown = evaluation.mistakes.slice(0, mostMistakes);
  if (shown.length === 0) return '<p>There were none.</p>';
  const size = elements(dataset.shape);
  const bytes = new Uint8Array(shown.length * size);
  await dataset.read(
    shown.map(({ index }) => index),
    bytes,
  );
  const { classes } = evaluation;
  const figures = shown.map(async ({ index, label, predicted, probability }, i) => {
    const planes = bytes.subarray(i * size, (i + 1) * size);
    const uri = await pngDataUri(reduce(pixelsOfPlanes(planes, dataset.shape), largestImage));
    const [is, said] = [escapeHtml(classes[label]), escapeHtml(classes[predicted])];
    const alt = `image ${index}: ${is}, taken for ${said}`;
    return `<figure><img src="${uri}" alt="${alt}" title="${alt}"><figcaption><b>${is}</b> taken for <b>${said}</b> ${percent(probability)}</figcaption></figure>`;
  });
  const most = `The ${shown.length} most confident ${shown.length === 1 ? 'mistake' : 'mistakes'}, and how sure the network was.`;
  return `<p>${most}</p>\n<div class="mistakes">\n${(await Promise.all(figures)).join('\n')}\n</div>`;
}

function factsTable(facts: Readonly<Record<string, string>>): string {
  const rows = Object.entries(facts).map(
    ([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  return `<table class="facts">\n${rows.join('\n')}\n</table>`;
}

/** The median: the first step compiles, and other work comes between. */
function typicalSpeed(steps: readonly Of<'step'>[]): number {
  const speeds = steps.map(({ imagesPerSecond }) => imagesPerSecond).sort((a, b) => a - b);
  return speeds[speeds.length >> 1];
}

/** Number and sign stay on one line. */
function percent(share: number): string {
  return `${(100 * share).toFixed(1)}\u00a0%`;
}

function wholePercent(share: number): string {
  return `${formatFigure(100 * share)} %`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
