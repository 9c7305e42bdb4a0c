/** `tandem train --report`: the page is written at the end, however the training ended. */
import { writeAtomically } from '../../atomicFile.js';
import type { Dataset } from '../../data/dataset.js';
import type { Evaluation } from '../../train/evaluate.js';
import type { TrainingEvent } from '../../train/events.js';
import { firstFilters } from '../../train/filters.js';
import { trainingReport } from '../../train/report.js';
import { type Run, runFacts } from '../../train/runFacts.js';

export interface ReportedRun extends Run {
  readonly events: readonly TrainingEvent[];
  /** Of the network as it is now. */
  readonly evaluation?: Evaluation;
  /** What was evaluated. */
  readonly dataset?: Dataset;
  /** Why it ended before its end. */
  readonly failure?: Error;
}

export async function writeTrainingReport(path: string, run: ReportedRun): Promise<void> {
  const { events, evaluation, dataset, failure } = run;
  const page = await trainingReport({
    events,
    evaluation,
    dataset,
    filters: await firstFilters(run.network),
    facts: { ...runFacts(run), ...(failure ? { 'ended by': failure.message } : {}) },
  });
  await writeAtomically(path, (write) => write(new TextEncoder().encode(page)));
}
