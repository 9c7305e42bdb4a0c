/** All of a network that a step changes, as arrays. */
import type { Network } from '../engine/network.js';
import { elements } from '../ops/define.js';
import { isFiniteArray } from './finite.js';

/** Names of the variables that training changes: what is not frozen, and the optimizer's states for it. */
export function trainedVariables(network: Network): readonly string[] {
  const trained = network.parameters.filter(({ frozen }) => !frozen).map(({ name }) => name);
  const owners = new Set(trained);
  const states = network.states.map(({ name }) => name).filter((name) => owners.has(ownerOf(name)));
  return [...trained, ...states];
}

/** 'conv1.weight/momentum' → 'conv1.weight' */
export function ownerOf(state: string): string {
  return state.slice(0, state.lastIndexOf('/'));
}

/** The first of a network's trained variables that holds a number that is not finite. */
export async function firstNotFinite(network: Network): Promise<string | undefined> {
  const shapes = new Map([...network.parameters, ...network.states].map(({ name, shape }) => [name, elements(shape)]));
  const names = trainedVariables(network);
  const scratch = new Float32Array(Math.max(0, ...names.map((name) => shapes.get(name) ?? 0)));
  for (const name of names) {
    if (!isFiniteArray(await network.read(name, scratch.subarray(0, shapes.get(name))))) return name;
  }
  return undefined;
}

/** A copy in memory; its arrays are filled anew when it is taken again. */
export class Snapshot {
  private readonly arrays = new Map<string, Float32Array>();
  private stepCounter = 0;

  constructor(private readonly network: Network) {}

  async take(): Promise<void> {
    for (const name of trainedVariables(this.network)) {
      this.arrays.set(name, await this.network.read(name, this.arrays.get(name)));
    }
    this.stepCounter = this.network.stepCounter;
  }

  async restore(): Promise<void> {
    for (const [name, data] of this.arrays) await this.network.write(name, data);
    this.network.stepCounter = this.stepCounter;
  }
}
