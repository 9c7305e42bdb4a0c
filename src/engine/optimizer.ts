/** The optimizers that a training step can use: their settings, their state, and the nodes that update a parameter. */
import { ArgumentError } from '../errors.js';
import type { GraphBuilder, NodeOptions } from '../graph/builder.js';
import type { Value } from '../graph/graph.js';
import { type AdamAttributes, adam } from '../ops/adam.js';
import { type SgdAttributes, sgd } from '../ops/sgd.js';

/** Attributes of `sgd`; the kind that is meant when none is named. */
export type SgdSettings = Partial<SgdAttributes> & { readonly kind?: 'sgd' };

/** Attributes of `adam`. */
export type AdamSettings = Partial<AdamAttributes> & { readonly kind: 'adam' };

export type OptimizerSettings = SgdSettings | AdamSettings;

const kinds = { sgd, adam } as const;

function isAdam(settings: OptimizerSettings): settings is AdamSettings {
  return settings.kind === 'adam';
}

/** Whether updates count the steps, from 1, in an input of the graph. */
export function countsSteps(settings: OptimizerSettings): boolean {
  return isAdam(settings);
}

/**
 * `settings` with `changes` on top. Changes that name no kind leave it as it is; another kind starts from its defaults, for the
 * two share no constants.
 *
 * @throws ArgumentError for an unknown kind, and for an attribute that the kind does not have
 */
export function withChanges(settings: OptimizerSettings = {}, changes: OptimizerSettings = {}): OptimizerSettings {
  const before = settings.kind ?? 'sgd';
  const kind = changes.kind ?? before;
  if (!Object.hasOwn(kinds, kind)) {
    throw new ArgumentError(`optimizer: kind must be one of ${Object.keys(kinds).join(', ')}, got '${kind}'`);
  }
  const result: OptimizerSettings = { ...(kind === before ? settings : {}), ...changes, kind } as OptimizerSettings;
  const known = ['kind', ...Object.keys(kinds[kind].attributes({}))];
  for (const name of Object.keys(result)) {
    if (known.includes(name)) continue;
    throw new ArgumentError(`optimizer: ${kind} has no attribute '${name}', expected one of ${known.join(', ')}`);
  }
  return result;
}

/** Names of the variables, zero at first, that an optimizer keeps for a parameter: the velocity, or both moments. */
export function stateNames(settings: OptimizerSettings, parameter: string): readonly string[] {
  return isAdam(settings) ? [`${parameter}/adam.m`, `${parameter}/adam.v`] : [`${parameter}/momentum`];
}

/** Adds the update of a parameter and of the optimizer's state for it. `step` is there when `countsSteps`. */
export function addUpdate(
  g: GraphBuilder,
  settings: OptimizerSettings,
  parameter: Value,
  gradient: Value,
  inputs: { readonly rate: Value; readonly step?: Value },
  options: NodeOptions,
): void {
  const spec = parameter.variable;
  const multiplied = {
    weightDecay: (settings.weightDecay ?? 0) * (spec?.decayMultiplier ?? 1),
    learningRateMultiplier: (settings.learningRateMultiplier ?? 1) * (spec?.learningRateMultiplier ?? 1),
  };
  const states = stateNames(settings, parameter.name).map((name) =>
    g.variable(name, parameter.shape, { kind: 'constant', value: 0 }, { role: 'state' }),
  );
  let updated: readonly Value[];
  if (isAdam(settings)) {
    const attributes = { ...settings, ...multiplied };
    const counted = inputs.step ? [inputs.step] : [];
    const name = `${parameter.name}/adam`;
    updated = g.apply(adam, [parameter, gradient, ...states, inputs.rate, ...counted], attributes, {
      ...options,
      name,
    });
  } else {
    const name = `${parameter.name}/sgd`;
    const attributes = { ...settings, ...multiplied };
    updated = g.apply(sgd, [parameter, gradient, ...states, inputs.rate], attributes, { ...options, name });
  }
  [parameter, ...states].forEach((variable, i) => g.update(variable, updated[i]));
}
