/** A page in headless Chromium, and what a test does with it. */
import type { Page } from 'playwright-core';
import type { BackendOptions } from '../../src/index.js';

/** What a training has computed; plain numbers, so that it can leave a page. */
export interface Figures {
  /** Of the initial network. */
  readonly logits: readonly number[];
  /** Before each step. */
  readonly losses: readonly number[];
  /** At the start and after the last step, by name. */
  readonly before: Readonly<Record<string, readonly number[]>>;
  readonly after: Readonly<Record<string, readonly number[]>>;
}

export interface TrainingTask {
  /** Where the library is imported from. */
  readonly library: string;
  readonly options: BackendOptions;
  readonly steps: number;
}

/**
 * Trains a narrowed AlexNet (normalisation, groups and dropout included) on images of whole numbers, by the public API. The text of this
 * function is run in pages too: it uses nothing from outside.
 */
export async function train({ library, options, steps }: TrainingTask): Promise<Figures> {
  const { openEngine, preset }: typeof import('../../src/index.js') = await import(library);
  const engine = await openEngine(options);
  const net = await engine.network(preset('caffe-alexnet', { width: 1 / 16, inputSize: 67, classes: 10 }), { seed: 5 });
  const batch = 4;
  const imagesOf = (step: number) =>
    Float32Array.from({ length: batch * 3 * 67 * 67 }, (_, i) => (Math.imul(i + 7 * step, 0x9e3779b1) >>> 24) - 128);
  const parameters = async () => {
    const contents: Record<string, number[]> = {};
    for (const { name } of net.parameters) contents[name] = [...(await net.read(name))];
    return contents;
  };
  const before = await parameters();
  const logits = [...(await net.forward(imagesOf(0))).logits];
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    losses.push(await (await net.step(imagesOf(step), [step, 3, 5, 7])).loss);
  }
  const after = await parameters();
  await engine.close();
  return { logits, losses, before, after };
}

/** Trains in a page. */
export function trainIn(page: Page, options: BackendOptions, steps: number): Promise<Figures> {
  const task: TrainingTask = { library: '/dist/lib/index.js', options, steps };
  return page.evaluate(`(${train.toString()})(${JSON.stringify(task)})`);
}

/**
 * Fills in the form of a section of the page, presses its button, waits for the end and returns what the link to the JSON gives.
 *
 * @param ways that are ticked (or, in a list, chosen: the first)
 */
export async function runSection<T>(
  page: Page,
  section: string,
  ways: readonly string[],
  fields: Readonly<Record<string, string>> = {},
): Promise<T> {
  const part = page.locator(`#${section}`);
  for (const box of await part.locator('input[name=way]').all()) {
    await box.setChecked(ways.includes((await box.getAttribute('value')) ?? ''));
  }
  for (const list of await part.locator('select[name=way]').all()) await list.selectOption(ways[0]);
  for (const [name, value] of Object.entries(fields)) {
    const field = part.locator(`[name=${name}]`);
    if (await field.evaluate((element) => element instanceof HTMLSelectElement)) await field.selectOption(value);
    else await field.fill(value);
  }
  await part.getByRole('button', { name: 'Run' }).click();
  const end = part.locator('a.download, .results > .failure').first();
  await end.waitFor({ timeout: 0 });
  const href = await end.getAttribute('href');
  if (href === null) throw new Error(`${section}: ${await end.textContent()}`);
  return page.evaluate(async (url) => (await fetch(url)).json(), href);
}
