/**
 * Checkpoints: one safetensors file with the network as `saveNetwork` writes it, the optimizer's states ('conv1.weight/momentum'), and in
 * the metadata ('training', JSON) the rest of what goes on. `loadNetwork` opens them like any other file of weights.
 */
import { isSystemError } from '../atomicFile.js';
import type { Network } from '../engine/network.js';
import type { OptimizerSettings } from '../engine/optimizer.js';
import { FileError } from '../errors.js';
import { savedInput } from '../formats/imageInput.js';
import { openWeights } from '../formats/network.js';
import { openSafetensors, type TensorSource, writeSafetensors } from '../formats/safetensors.js';
import type { TensorFile } from '../formats/tensorFile.js';
import { weightsMetadata } from '../models/metadata.js';
import type { Model, Recipe } from '../models/model.js';
import { formatShape, sameShape } from '../ops/define.js';
import { isFiniteArray, NotFinite } from './finite.js';
import type { TrainingProgress } from './progress.js';
import { ownerOf, trainedVariables } from './snapshot.js';

/** What a checkpoint has in its metadata beside the network. */
export interface CheckpointState {
  readonly seed: number;
  readonly recipe: Recipe;
  readonly optimizer: OptimizerSettings;
  /** Parameters that are not trained; their states are not in the file. */
  readonly frozen: readonly string[];
  /** What was trained on: resuming goes on in its middle. */
  readonly data: { readonly name: string; readonly images: number; readonly shape: readonly number[] };
  readonly progress: TrainingProgress;
}

export const checkpointNames = { last: 'last.safetensors', best: 'best.safetensors' } as const;

export function checkpointPath(folder: string, which: keyof typeof checkpointNames): string {
  return `${folder.replace(/\/+$/, '')}/${checkpointNames[which]}`;
}

/** Makes the folder; throws a FileError when it cannot be. */
export async function makeFolder(folder: string): Promise<void> {
  const { mkdir } = await import('node:fs/promises');
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    if (!isSystemError(error)) throw error;
    throw new FileError(`cannot make the folder '${folder}' for checkpoints: ${error.message}`, { cause: error });
  });
}

/** A training that begins takes no other one's place. */
export async function expectNoCheckpoint(folder: string): Promise<void> {
  const path = checkpointPath(folder, 'last');
  if (!(await exists(path))) return;
  throw new FileError(`'${path}' is there already: resume goes on with it, or take another folder`);
}

/** Removes what processes that are no more left half written. */
export async function removeLeftovers(folder: string): Promise<void> {
  const { readdir, rm } = await import('node:fs/promises');
  for (const name of await readdir(folder)) {
    const [, process] = /^(?:last|best)\.safetensors\.(\d+)-\w+\.tmp$/.exec(name) ?? [];
    if (process !== undefined && !isRunning(Number(process))) await rm(`${folder}/${name}`, { force: true });
  }
}

function isRunning(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch (error) {
    return isSystemError(error) && error.code === 'EPERM';
  }
}

async function exists(path: string): Promise<boolean> {
  const { access } = await import('node:fs/promises');
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a checkpoint, whole or not at all; no step may run meanwhile.
 *
 * @throws NotFinite when a number of it is not finite, FileError when it cannot be written: what was there before stands then
 */
export async function writeCheckpoint(path: string, network: Network<Model>, state: CheckpointState): Promise<void> {
  const parameters = new Set(network.parameters.map(({ name }) => name));
  const states = trainedVariables(network).filter((name) => !parameters.has(name));
  const shapes = new Map(network.states.map(({ name, shape }) => [name, shape]));
  const variables = [...network.parameters, ...states.map((name) => ({ name, shape: shapes.get(name) ?? [] }))];
  const input = savedInput(network.input);
  const tensors: TensorSource[] = [
    ...variables.map(({ name, shape }) => ({ name, shape, data: () => network.read(name) })),
    ...input.tensors,
  ];
  const checked = tensors.map(({ name, shape, data }) => ({
    name,
    shape,
    data: async () => {
      const values = typeof data === 'function' ? await data() : data;
      if (!isFiniteArray(values)) throw new NotFinite(state.progress.step);
      return values;
    },
  }));
  const metadata = { ...weightsMetadata(network.model), ...input.metadata };
  await writeSafetensors(path, checked, { ...metadata, training: JSON.stringify(state) });
}

/** A checkpoint that has been opened and checked. */
export interface Checkpoint {
  readonly path: string;
  readonly model: Model;
  readonly state: CheckpointState;
  readonly file: TensorFile;
}

/**
 * @throws FileError when there is none, or it is broken or the weights of a network only
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const path = checkpointPath(folder, 'last');
  if (!(await exists(path))) throw new FileError(`there is no checkpoint to resume from: '${path}' does not exist`);
  const weights = await openWeights(path);
  await weights.file.close();
  // With the optimizer's states, which a file of weights has not.
  const file = await openSafetensors(path);
  try {
    return { path, model: weights.model, state: stateFrom(file.metadata, path), file };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * What the last checkpoint of a folder says of its training: model, seed, recipe and how far it is.
 *
 * @throws FileError as `Trainer` does when it resumes
 */
export async function readCheckpoint(folder: string): Promise<Omit<Checkpoint, 'file'>> {
  const { file, ...rest } = await openCheckpoint(folder);
  await file.close();
  return rest;
}

/**
 * Puts a network where a checkpoint left it: parameters, states and step counter.
 *
 * @throws FileError for the checkpoint of another network, or another optimizer; the network is as it was then
 */
export async function restoreCheckpoint(
  { path, model, state, file }: Checkpoint,
  network: Network<Model>,
): Promise<void> {
  const [theirs, ours] = [weightsMetadata(model), weightsMetadata(network.model)];
  if (theirs.structure !== ours.structure) {
    throw new FileError(`'${path}' is a checkpoint of another network: its structure is not that of this one`);
  }
  for (const field of ['preset', 'options', 'classes']) {
    if (theirs[field] === ours[field]) continue;
    throw new FileError(
      `'${path}' is a checkpoint of another network: its ${field} is ${theirs[field]}, that of this one ${ours[field]}`,
    );
  }
  if (state.seed !== network.seed) {
    throw new FileError(`'${path}' was trained with seed ${state.seed}, this network has ${network.seed}`);
  }
  const shapes = new Map([...network.parameters, ...network.states].map(({ name, shape }) => [name, shape]));
  const wanted = trainedVariables(network);
  for (const name of wanted) {
    const found = file.tensors.get(name);
    const shape = shapes.get(name) ?? [];
    if (found && sameShape(found.shape, shape)) continue;
    const what = found ? `${formatShape(found.shape)}` : 'nothing';
    throw new FileError(
      `'${path}' has ${what} for '${name}', expected ${formatShape(shape)}: another optimizer, or other layers frozen?`,
    );
  }
  const written = new Set(shapes.keys());
  for (const name of file.tensors.keys()) {
    // Parameters that are frozen now are read too; the states of a parameter that was trained and no longer is are not needed.
    if (written.has(name) && (wanted.includes(name) || !written.has(ownerOf(name)))) {
      await network.write(name, await file.read(name));
    }
  }
  network.stepCounter = state.progress.step;
}

function stateFrom(metadata: Readonly<Record<string, string>>, path: string): CheckpointState {
  if (!Object.hasOwn(metadata, 'training')) {
    throw new FileError(`'${path}' holds the weights of a network, but not where its training stood`);
  }
  let state: unknown;
  try {
    state = JSON.parse(metadata.training);
  } catch (error) {
    throw new FileError(`'${path}': 'training' in the metadata is not JSON`, { cause: error });
  }
  if (!isState(state)) throw new FileError(`'${path}': 'training' in the metadata lacks a field or has a wrong one`);
  return state;
}

function isState(value: unknown): value is CheckpointState {
  if (typeof value !== 'object' || value === null) return false;
  const { seed, recipe, optimizer, frozen, data, progress } = value as Partial<CheckpointState>;
  const counts = [seed, data?.images, progress?.step, progress?.epoch, progress?.position];
  return (
    [...counts, progress?.drops, progress?.stalled, progress?.waited].every(
      (count) => Number.isSafeInteger(count) && Number(count) >= 0,
    ) &&
    [recipe, optimizer, data].every((each) => typeof each === 'object' && each !== null) &&
    Array.isArray(frozen)
  );
}
