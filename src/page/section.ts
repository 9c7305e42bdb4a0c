/** A part of the page that runs a job: its form, its bar, its results and the link to their JSON. */
import { find, make, makeDownload } from './dom.js';
import { type Job, startJob } from './job.js';
import type { JobName, Jobs } from './messages.js';
import type { TrainingStep } from './training.js';

export interface SectionOptions<J extends JobName> {
  readonly job: J;
  /** What the form asks for, or a sentence that says what is missing. */
  settings(form: HTMLFormElement): Jobs[J]['settings'] | string;
  /** Called when a job starts: what results can be seen to grow in. */
  begin?(settings: Jobs[J]['settings']): {
    readonly nodes: readonly (Node | string)[];
    onStep(step: TrainingStep): void;
  };
  show(report: Jobs[J]['report']): readonly (Node | string)[];
}

/** Runs a section's job when its button is pressed. One job runs at a time: two would share the device that they measure. */
export function openSection<J extends JobName>({ job: name, settings: ask, begin, show }: SectionOptions<J>): void {
  const section = find(document, `#${name}`, HTMLElement);
  const form = find(section, 'form', HTMLFormElement);
  const run = make('button', '', 'Run');
  run.type = 'submit';
  const stop = make('button', '', 'Stop');
  stop.type = 'button';
  stop.hidden = true;
  form.append(run, stop);
  const bar = make('progress', '');
  const note = make('output', '');
  const progress = make('div', 'progress', bar, note);
  progress.hidden = true;
  const results = make('div', 'results');
  results.ariaLive = 'polite';
  section.append(progress, results);

  let job: Job<J> | undefined;
  const runs = (running: boolean): void => {
    for (const button of document.querySelectorAll<HTMLButtonElement>('button[type=submit]')) button.disabled = running;
    stop.hidden = !running;
    progress.hidden = !running;
    section.ariaBusy = String(running);
    bar.removeAttribute('value');
    note.value = '';
  };
  const fail = (reason: string): void => results.append(make('p', 'failure', reason));

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    results.replaceChildren();
    const settings = ask(form);
    if (typeof settings === 'string') {
      fail(settings);
      return;
    }
    runs(true);
    const growing = begin?.(settings);
    if (growing) results.append(...growing.nodes);
    try {
      job = startJob(name, settings, {
        onProgress: (done, total, text) => {
          bar.max = total;
          bar.value = done;
          note.value = text;
        },
        onStep: growing?.onStep,
      });
      const report = await job.report;
      results.append(...show(report), makeDownload(`tandem-${name}.json`, report));
    } catch (error) {
      fail((error as Error).message);
    }
    runs(false);
  });
  stop.addEventListener('click', () => {
    job?.stop();
    runs(false);
    results.append(make('p', 'note', 'Stopped.'));
  });
}
