/** Which tensors of an ONNX model are parameters of a network made of it, and what they are called there. */
import { GraphError } from '../../errors.js';
import type { GraphBuilder } from '../../graph/builder.js';
import type { Initializer, Value } from '../../graph/graph.js';

/**
 * 'transposed' is the matrix of a fully connected layer that the file has as inputs × outputs: ours is outputs × inputs. 'statistic' is
 * the mean or the variance of a batch normalisation, which is not learned.
 */
export type ParameterRole = 'weight' | 'transposed' | 'bias' | 'scale' | 'statistic';

export interface Parameter {
  /** In the network. */
  readonly name: string;
  /** Its name in the file. */
  readonly tensor: string;
  /** In the network. */
  readonly shape: readonly number[];
  readonly role: ParameterRole;
}

/** Names of the inputs that graphs of networks have, and of gradients. */
const reserved = /^(images|bytes|colour|meanImage|labels|random|step|keep|learningRate( \d+)?|gradient:.*)?$/;

/** The parameters that a graph turns out to need, in the order in which it needs them. */
export class FoundParameters {
  readonly found: Parameter[] = [];
  private readonly values = new Map<string, Value>();
  private readonly names: Set<string>;

  /** @param taken names of the values that the graph has already */
  constructor(
    private readonly g: GraphBuilder,
    taken: Iterable<string>,
  ) {
    this.names = new Set(taken);
  }

  get(tensor: string, shape: readonly number[], role: ParameterRole): Value {
    const known = this.values.get(tensor);
    if (known) return this.checked(known, tensor, role);
    const own = role === 'transposed' ? [shape[1], shape[0]] : shape;
    this.found.push({ name: this.unique(tensor), tensor, shape: own, role });
    const value = this.g.variable(`tensor ${this.found.length}`, own, { kind: 'constant', value: 0 });
    this.values.set(tensor, value);
    return value;
  }

  private checked(known: Value, tensor: string, role: ParameterRole): Value {
    const before = this.found.find((parameter) => parameter.tensor === tensor)?.role;
    if ((before === 'transposed') === (role === 'transposed')) return known;
    throw new GraphError(`tensor '${tensor}' is used both as it is and transposed, which cannot be one parameter`);
  }

  /** A slash would make it a variable of an optimizer. */
  private unique(tensor: string): string {
    const plain = tensor.replaceAll('/', '.').replace(/^\.+/, '');
    const wanted = reserved.test(plain) ? `${plain}_` : plain;
    let name = wanted;
    for (let i = 2; this.names.has(name); i++) name = `${wanted}_${i}`;
    this.names.add(name);
    return name;
  }
}

/** Adds the variables to a graph before any node, so that no node takes their names, and hands them out by tensor. */
export function declareParameters(
  g: GraphBuilder,
  parameters: readonly Parameter[],
): (tensor: string, shape: readonly number[], role: ParameterRole) => Value {
  const values = new Map(
    parameters.map(({ name, tensor, shape, role }) => [
      tensor,
      // A statistic has a learning rate of 0.
      g.variable(name, shape, initial(role), role === 'statistic' ? { learningRateMultiplier: 0 } : {}),
    ]),
  );
  return (tensor) => values.get(tensor) as Value;
}

/** Of parameters that no file gives: those of a head that is replaced. */
function initial(role: ParameterRole): Initializer {
  if (role === 'weight' || role === 'transposed') return { kind: 'he' };
  return { kind: 'constant', value: role === 'bias' ? 0 : 1 };
}
