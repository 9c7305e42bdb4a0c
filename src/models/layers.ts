/** Layers with learned variables, as every preset of the family uses them: 'conv1' owns 'conv1.weight' and 'conv1.bias'. */
import type { GraphBuilder, VariableOptions } from '../graph/builder.js';
import type { Initializer, Value } from '../graph/graph.js';
import type { Conv2dAttributes } from '../ops/conv2d.js';

/** How the two variables of a layer start and learn. */
export interface LearnedOptions {
  readonly weight: Initializer;
  readonly bias: Initializer;
  readonly weightOptions?: VariableOptions;
  readonly biasOptions?: VariableOptions;
}

export interface ConvolutionOptions extends LearnedOptions, Partial<Conv2dAttributes> {
  readonly filters: number;
  /** Height and width of the kernel. */
  readonly kernel: number;
}

/** x [N, C, H, W] → [N, filters, OH, OW]; the node is called `name`. */
export function convolution(g: GraphBuilder, name: string, x: Value, options: ConvolutionOptions): Value {
  const { filters, kernel, weight, bias, weightOptions, biasOptions, ...attributes } = options;
  const groupChannels = x.shape[1] / (attributes.groups ?? 1);
  const w = g.variable(`${name}.weight`, [filters, groupChannels, kernel, kernel], weight, weightOptions);
  const b = g.variable(`${name}.bias`, [filters], bias, biasOptions);
  return g.conv2d(x, w, b, attributes, { name });
}

export interface FullyConnectedOptions extends LearnedOptions {
  readonly units: number;
}

/** x [N, K] or [N, C, H, W], which is flattened in that order → [N, units]; the node is called `name`. */
export function fullyConnected(g: GraphBuilder, name: string, x: Value, options: FullyConnectedOptions): Value {
  const [batch, ...rest] = x.shape;
  const columns = rest.reduce((product, extent) => product * extent, 1);
  const flat = rest.length === 1 ? x : g.reshape(x, [batch, columns], { name: `${name}/flatten`, layer: name });
  const w = g.variable(`${name}.weight`, [options.units, columns], options.weight, options.weightOptions);
  const b = g.variable(`${name}.bias`, [options.units], options.bias, options.biasOptions);
  return g.linear(flat, w, b, { name });
}
