/**
 * The cross-checker: runs every node of every case on the backends given, with every legal algorithm forced, and compares
 * each element with the float64 reference and with the mirror backend.
 */
import type { Backend, BackendInfo, Executable, Storage, TypedArray } from '../backends/backend.js';
import { ArgumentError, TandemError } from '../errors.js';
import type { Judged } from '../ops/define.js';
import type { Case } from './case.js';
import { bluntness, type Deviation, deviation, disagreement, identical } from './compare.js';
import { inOrder } from './inOrder.js';
import { selectCases } from './tables.js';
import { type Check, trace } from './trace.js';

/** What `against` says where a result is held against the float64 reference, the judge. */
export const judge = 'reference';

/** A backend under test and what reports call it: 'wasm relaxed ×2'. */
export interface Contestant {
  readonly label: string;
  readonly backend: Backend;
}

export interface VerifyOptions {
  /** With two or more, each is also compared with a mirror: an earlier one that differs in threads only, or else the first. */
  readonly backends: readonly Contestant[];
  /** Small cases only. */
  readonly quick?: boolean;
  /** Cases of this op only, with their gradients. */
  readonly op?: string;
  /** Only nodes that have this algorithm, and only with it. */
  readonly algorithm?: string;
  /** Called for each result as it comes. */
  readonly onResult?: (result: VerifyResult) => void;
  /** Called before each case. */
  readonly onCase?: (done: number, total: number, next: Case) => void;
  readonly signal?: AbortSignal;
}

/** One output of one node, on one backend with one algorithm, against the reference or the mirror. */
export interface VerifyResult {
  readonly op: string;
  readonly case: string;
  readonly backend: string;
  /** `judge`, or the label of the mirror. */
  readonly against: string;
  readonly algorithm: string;
  /** 'forward', 'dataGradient', 'weightGradient', …; with ':1' for a second output. */
  readonly quantity: string;
  /** Number.MAX_VALUE where a NaN or an infinity is missing, misplaced or of the wrong sign, or nothing came at all. */
  readonly maxAbsError: number;
  /** Absolute error allowed at the element with the largest error ÷ bound. */
  readonly bound: number;
  /** Largest error ÷ bound; 0 for 0 ÷ 0, Number.MAX_VALUE for anything else ÷ 0. */
  readonly ratio: number;
  /** Against a mirror: the side further from the reference at the worst element; absent when they agree or are equally far. */
  readonly furtherOff?: string;
  readonly status: 'passed' | 'failed';
  /** What failed, in words. */
  readonly reason?: string;
}

/** `passed`, `failed` and `skipped` count cases; a case fails when one of its results does, and is skipped when it has none. */
export interface VerifyReport {
  readonly summary: {
    readonly cases: number;
    readonly passed: number;
    readonly failed: number;
    readonly skipped: number;
    /** Number of results. */
    readonly checks: number;
  };
  readonly results: readonly VerifyResult[];
}

/**
 * @throws ArgumentError for an unknown op, an algorithm that no node has, or no backend
 * @throws the signal's reason when aborted
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const { backends, signal } = options;
  if (backends.length === 0) throw new ArgumentError('verify needs at least one backend');
  const cases = selectCases(options);
  const results: VerifyResult[] = [];
  const summary = { cases: cases.length, passed: 0, failed: 0, skipped: 0, checks: 0 };
  let started = 0;
  const verifyCase = async (one: Case): Promise<readonly VerifyResult[]> => {
    options.onCase?.(started++, cases.length, one);
    const found: VerifyResult[] = [];
    for (const check of trace(one)) {
      signal?.throwIfAborted();
      found.push(...(await verifyCheck(check, options)));
    }
    return found;
  };
  // While an adapter computes some cases others are judged, and kernels of others compiled; a large case has the memory to itself.
  const beside = backends.some(({ backend }) => backend.info.adapter);
  for await (const found of inOrder(cases, verifyCase, ({ quick }) => (beside && quick ? casesAtOnce : 1))) {
    for (const result of found) options.onResult?.(result);
    results.push(...found);
    if (found.length === 0) summary.skipped++;
    else if (found.some((result) => result.status === 'failed')) summary.failed++;
    else summary.passed++;
  }
  summary.checks = results.length;
  if (options.algorithm !== undefined && results.length === 0) {
    throw new ArgumentError(`no node of the cases chosen has an algorithm '${options.algorithm}'`);
  }
  return { summary, results };
}

/** Small cases that are checked at a time, of backends that compute beside the calling thread. */
const casesAtOnce = 4;

/** What one backend gave for a node, by algorithm, and how it is judged. */
interface Answers {
  readonly contestant: Contestant;
  readonly given: Map<string, Given>;
}

interface Given {
  readonly outputs: readonly Float32Array[];
  readonly judged: readonly Judged[];
}

async function verifyCheck(check: Check, options: VerifyOptions): Promise<VerifyResult[]> {
  const results: VerifyResult[] = [];
  const answers: Answers[] = [];
  for (const contestant of options.backends) {
    const { backend } = contestant;
    if (check.case.data === 'nonFinite' && !backend.info.nonFinite) continue;
    const algorithms = await attempt(async () => algorithmsOf(backend, check, options.algorithm));
    if ('failure' in algorithms) {
      results.push(failed({ ...rowOf(check, contestant, defaultAlgorithm, 0), against: judge }, algorithms.failure));
      continue;
    }
    if (algorithms.value.length === 0) continue;
    const own: Answers = { contestant, given: new Map() };
    const mirror = findMirror(answers, backend.info);
    for (const algorithm of algorithms.value) {
      const judged = check.judge(backend.info.accuracy, algorithm);
      const answer = await attempt(() => answerOf(backend, check, algorithm));
      const rows = judged.map((one, output) => {
        const row = { ...rowOf(check, contestant, algorithm, output), against: judge };
        return 'failure' in answer ? failed(row, answer.failure) : againstReference(row, one, answer.value, output);
      });
      results.push(...rows);
      if ('failure' in answer) continue;
      own.given.set(algorithm, { outputs: answer.value.outputs, judged });
      if (mirror) results.push(...againstMirror(check, own, algorithm, mirror));
    }
    answers.push(own);
  }
  return results;
}

/** The algorithms to force; one that the backend does not name (a node without kernels) is 'default'. */
function algorithmsOf(backend: Backend, check: Check, only: string | undefined): readonly string[] {
  const legal = backend.algorithms(check.graph, check.graph.nodes[0]);
  const all = legal.length > 0 ? legal : [defaultAlgorithm];
  return only === undefined ? all : all.filter((name) => name === only);
}

const defaultAlgorithm = 'default';

type Row = Pick<VerifyResult, 'op' | 'case' | 'backend' | 'against' | 'algorithm' | 'quantity'>;

function rowOf(check: Check, contestant: Contestant, algorithm: string, output: number): Omit<Row, 'against'> {
  return {
    op: check.case.op.name,
    case: check.case.name,
    backend: contestant.label,
    algorithm,
    quantity: output === 0 ? check.quantity : `${check.quantity}:${output}`,
  };
}

function failed(row: Row, reason: string): VerifyResult {
  return { ...row, maxAbsError: Number.MAX_VALUE, bound: 0, ratio: Number.MAX_VALUE, status: 'failed', reason };
}

function finished(
  row: Row,
  found: Deviation,
  furtherOff: string | undefined,
  reason: string | undefined,
): VerifyResult {
  const { maxAbsError, bound, ratio } = found;
  const result = { ...row, maxAbsError, bound, ratio, ...(furtherOff === undefined ? {} : { furtherOff }) };
  return reason === undefined ? { ...result, status: 'passed' } : { ...result, status: 'failed', reason };
}

function againstReference(row: Row, judged: Judged, answer: Answer, output: number): VerifyResult {
  const result = answer.outputs[output];
  if (result.length !== judged.data.length) {
    return failed(row, `expected ${judged.data.length} elements, got ${result.length}`);
  }
  const found = deviation(result, judged);
  const off =
    found.ratio > 1
      ? `element ${found.index} is ${result[found.index]}, expected ${judged.data[found.index]}`
      : undefined;
  return finished(row, found, undefined, off ?? answer.fault ?? bluntness(judged));
}

/** The latest earlier backend that differs in nothing but threads, whose results must be the same bit for bit; else the first. */
function findMirror(earlier: readonly Answers[], info: BackendInfo): { answers: Answers; twin: boolean } | undefined {
  const twin = earlier.findLast(({ contestant }) => isTwin(contestant.backend.info, info));
  if (twin) return { answers: twin, twin: true };
  return earlier.length > 0 ? { answers: earlier[0], twin: false } : undefined;
}

function isTwin(a: BackendInfo, b: BackendInfo): boolean {
  return a.name === b.name && a.simd === b.simd;
}

function againstMirror(
  check: Check,
  own: Answers,
  algorithm: string,
  mirror: { answers: Answers; twin: boolean },
): readonly VerifyResult[] {
  const { contestant, given } = mirror.answers;
  const theirs = given.get(algorithm) ?? (mirror.twin ? undefined : [...given.values()][0]);
  const ours = own.given.get(algorithm);
  if (!theirs || !ours) return [];
  return ours.outputs.map((result, i) => {
    const row = { ...rowOf(check, own.contestant, algorithm, i), against: contestant.label };
    const their = theirs.outputs[i];
    const found = disagreement(result, their, mirror.twin ? undefined : [ours.judged[i], theirs.judged[i]]);
    const at = found.index;
    const expected = ours.judged[i].data[at];
    const [ourError, theirError] = [Math.abs(result[at] - expected), Math.abs(their[at] - expected)];
    const furtherOff =
      ourError > theirError ? own.contestant.label : theirError > ourError ? contestant.label : undefined;
    const same = mirror.twin ? identical(result, their) : found.ratio <= 1;
    const reason = same ? undefined : `element ${at} is ${result[at]} here and ${their[at]} on ${contestant.label}`;
    return finished(row, found, furtherOff, reason);
  });
}

/** A backend's outputs, and what was wrong with them beside their values. */
interface Answer {
  readonly outputs: readonly Float32Array[];
  readonly fault?: string;
}

/**
 * Runs the node three times: on poison (NaN where the backend keeps them, else huge numbers), so that whatever an earlier run
 * leaves behind shows; on the case's numbers; and on them again, which must give the same.
 */
async function answerOf(backend: Backend, check: Check, algorithm: string): Promise<Answer> {
  const { graph } = check;
  const storages = new Map<number, Storage>();
  let executable: Executable | undefined;
  try {
    const ids = graph.nodes[0].inputs;
    for (const id of ids) {
      const value = graph.values[id];
      if (value.kind === 'variable') storages.set(id, backend.allocate(value, value.name));
    }
    const forced = algorithm === defaultAlgorithm ? {} : { algorithms: { [graph.nodes[0].name]: algorithm } };
    executable = await backend.compile(graph, storages, forced);
    const poison = check.arrays.map((array) => poisoned(array, backend.info));
    const runs: Promise<Answer>[] = [];
    for (const arrays of [poison, check.arrays, check.arrays]) {
      const { finished } = await begin(executable, storages, ids, arrays);
      runs.push(finished);
    }
    const [, first, second] = await Promise.all(runs);
    const changed = first.outputs.findIndex((output, i) => !identical(output, second.outputs[i]));
    const fault =
      changed < 0 ? second.fault : `output ${changed} of a second run on the same input differs from the first`;
    return { outputs: first.outputs, fault };
  } finally {
    executable?.free();
    for (const storage of storages.values()) storage.free();
  }
}

/** Floating-point inputs of the first run; integers (labels, random words) stay valid. */
function poisoned(array: TypedArray, info: BackendInfo): TypedArray {
  if (!(array instanceof Float32Array)) return array;
  return new Float32Array(array.length).fill(info.nonFinite ? Number.NaN : 1e30);
}

/**
 * Writes variables and runs, on a device that computes beside this thread without waiting for the outputs. Updated variables must hold
 * their output at the end.
 */
async function begin(
  executable: Executable,
  storages: ReadonlyMap<number, Storage>,
  ids: readonly number[],
  arrays: readonly TypedArray[],
): Promise<{ readonly finished: Promise<Answer> }> {
  const { graph } = executable;
  const inputs: Record<string, TypedArray> = {};
  for (const [i, id] of ids.entries()) {
    const storage = storages.get(id);
    if (storage) await storage.write(arrays[i]);
    else inputs[graph.values[id].name] = arrays[i];
  }
  const started = await (executable.start?.(inputs) ?? executable.run(inputs));
  // Asked for now, before another run can change them.
  const held = [...graph.updates.keys()].map((variable) => storages.get(variable)?.read());
  const answer = async (): Promise<Answer> => {
    const [result, contents] = await Promise.all([
      'finished' in started ? started.finished : started,
      Promise.all(held),
    ]);
    const names = [...graph.outputs.keys()];
    const outputs = names.map((name) => result.outputs[name]);
    for (const [i, [variable, id]] of [...graph.updates].entries()) {
      const output = names.findIndex((name) => graph.outputs.get(name) === id);
      const content = contents[i];
      if (!content || !identical(content, outputs[output])) {
        const { name } = graph.values[variable];
        return { outputs, fault: `variable '${name}' does not hold output ${output} after the run` };
      }
    }
    return { outputs };
  };
  const finished = answer();
  // Whoever awaits it hears of the error; until then it is not unheard of.
  finished.catch(() => undefined);
  return { finished };
}

/** An error that the backend throws is a failed check, not the end of the run. */
async function attempt<T>(action: () => Promise<T>): Promise<{ readonly value: T } | { readonly failure: string }> {
  try {
    return { value: await action() };
  } catch (error) {
    return { failure: error instanceof TandemError ? error.message : String(error) };
  }
}
