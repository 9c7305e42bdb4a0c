/** The graph of a network of the family, layer by layer. */
import type { GraphBuilder, VariableOptions } from '../graph/builder.js';
import type { Initializer, Value } from '../graph/graph.js';
import type { Architecture, Block, Dense, Learning, Norm, Stage, Start } from './architecture.js';
import type { Resolved } from './family.js';
import { fullyConnected, type LearnedOptions } from './layers.js';

/** Activations on their way through the network: one value, or one for each tower. */
type Flow = readonly Value[];

/** Letters after the names of the nodes of a tower, as in the 2012 source. */
const towerLetters = ['a', 'b'] as const;

export class FamilyBuilder {
  constructor(
    private readonly g: GraphBuilder,
    private readonly architecture: Architecture,
    private readonly options: Resolved,
    private readonly random: Value | undefined,
  ) {}

  /** images [N, C, H, W] → logits [N, classes] */
  build(images: Value): Value {
    const { architecture, g } = this;
    let flow: Flow = [images];
    for (const block of architecture.blocks) flow = this.block(block, flow);
    let x = this.join(flow, 'towers');
    if (architecture.adaptivePool !== undefined) {
      const side = architecture.adaptivePool;
      x = g.adaptiveAvgPool(x, { size: [side, side] }, { name: 'avgpool' });
    }
    const last = architecture.dense.length - 1;
    architecture.dense.forEach((layer, index) => {
      x = this.dense(layer, x, index === 0, index === last);
    });
    return x;
  }

  private block(block: Block, input: Flow): Flow {
    const number = digits(block.name);
    let flow =
      block.kind === 'local'
        ? this.fork(this.local(block, this.join(input, block.name)), block.name)
        : this.convolution(block, input);
    for (const stage of this.options.stages(block.stages)) flow = this.stage(block, stage, number, flow);
    if (this.options.dropoutPlace !== 'blocks') return flow;
    return this.fork(this.drop(this.join(flow, `drop${number}`), number), `drop${number}`);
  }

  private stage(block: Block, stage: Stage, number: number, flow: Flow): Flow {
    const { g, architecture, options } = this;
    switch (stage) {
      case 'activation':
        return each(flow, `${options.activation}${number}`, (x, name) => this.activate(x, name));
      case 'norm':
        return options.norm ? this.normalise(options.norm, `norm${number}`, flow) : flow;
      case 'mapNorm':
        return architecture.mapNorm ? this.normalise(architecture.mapNorm, `mapNorm${number}`, flow) : flow;
      case 'pool': {
        const { ties, ...window } = options.pooling;
        return each(flow, `pool${number}`, (x, name) =>
          block.pool === 'avg'
            ? g.avgPool(x, { ...window, count: 'inside' }, { name })
            : g.maxPool(x, { ...window, ...(ties ? { ties } : {}) }, { name }),
        );
      }
    }
  }

  private activate(x: Value, name: string): Value {
    const { g } = this;
    switch (this.options.activation) {
      case 'relu':
        return g.relu(x, { name });
      case 'tanh':
        return g.tanh(x, {}, { name });
      case 'sigmoid':
        return g.sigmoid(x, { name });
    }
  }

  private normalise({ within, perTower, ...window }: Norm, name: string, flow: Flow): Flow {
    const { g } = this;
    if (within === 'map') return each(flow, name, (x, node) => g.lrnWithin(x, window, { name: node }));
    if (perTower && flow.length > 1) return each(flow, name, (x, node) => g.lrn(x, window, { name: node }));
    const groups = perTower ? this.options.towers : 1;
    return this.fork(g.lrn(this.join(flow, name), { ...window, ...(groups > 1 ? { groups } : {}) }, { name }), name);
  }

  /**
   * With the split form a layer inside a tower is one op for each, with its half of the weights. A layer that sees both
   * towers stays one op whose output is split: as two ops it would give the same outputs, but the gradient of their common
   * input would be added up in another order.
   */
  private convolution(block: Block, input: Flow): Flow {
    const { g, options } = this;
    const { name, kernel, stride = 1, learning } = block;
    const inner = block.ownTower === true && options.towers === 2;
    const apart = inner && input.length > 1;
    const flow = apart ? input : [this.join(input, name)];
    const channels = flow.reduce((sum, { shape }) => sum + shape[1], 0) / (inner ? 2 : 1);
    const filters = this.scaled(block.filters);
    const start = this.start(learning, channels * kernel * kernel);
    const weight = g.variable(`${name}.weight`, [filters, channels, kernel, kernel], start.weight, start.weightOptions);
    const bias = g.variable(`${name}.bias`, [filters], start.bias, start.biasOptions);
    const window = { stride, padding: paddingOf(block, input[0].shape) };
    if (apart) {
      const sizes = [filters / 2, filters / 2];
      const weights = g.split(weight, { axis: 0, sizes }, { name: `${name}.weight/split`, layer: name });
      const biases = g.split(bias, { axis: 0, sizes }, { name: `${name}.bias/split`, layer: name });
      return flow.map((x, i) => g.conv2d(x, weights[i], biases[i], window, { name: `${name}${towerLetters[i]}` }));
    }
    const y = g.conv2d(flow[0], weight, bias, inner ? { ...window, groups: 2 } : window, { name });
    return this.fork(y, name);
  }

  private local(block: Block, x: Value): Value {
    const { g } = this;
    const { name, kernel, stride = 1, learning } = block;
    const filters = this.scaled(block.filters);
    const padding = paddingOf(block, x.shape);
    const [, channels, ...sides] = x.shape;
    const [height, width] = sides.map(
      (side, axis) => Math.floor((side + padding[axis] + padding[axis + 2] - kernel) / stride) + 1,
    );
    const start = this.start(learning, channels * kernel * kernel);
    const shape = [filters, height, width, channels, kernel, kernel];
    const weight = g.variable(`${name}.weight`, shape, start.weight, start.weightOptions);
    const bias = g.variable(`${name}.bias`, [filters, height, width], start.bias, start.biasOptions);
    return g.local2d(x, weight, bias, { stride, padding }, { name });
  }

  private dense(layer: Dense, input: Value, first: boolean, last: boolean): Value {
    const { options } = this;
    const number = layer.number ?? digits(layer.name);
    const x = options.dropoutPlace === 'inputs' && !last ? this.drop(input, number) : input;
    const units = last ? options.classes : this.scaled(layer.units ?? 0);
    const start = this.start(
      layer.learning,
      x.shape.slice(1).reduce((product, extent) => product * extent, 1),
    );
    let y =
      first && options.fc === 'convolution'
        ? this.denseConvolution(layer.name, x, units, start)
        : fullyConnected(this.g, layer.name, x, { units, ...start });
    if (layer.activation) y = this.activate(y, `${options.activation}${number}`);
    return options.dropoutPlace === 'outputs' && !last ? this.drop(y, number) : y;
  }

  /** A kernel as large as the map gives each unit one output: [N, units, 1, 1], flattened again where it is the last layer. */
  private denseConvolution(name: string, x: Value, units: number, start: LearnedOptions): Value {
    const { g } = this;
    const weight = g.variable(`${name}.weight`, [units, ...x.shape.slice(1)], start.weight, start.weightOptions);
    const bias = g.variable(`${name}.bias`, [units], start.bias, start.biasOptions);
    const y = g.conv2d(x, weight, bias, {}, { name });
    return g.reshape(y, [x.shape[0], units], { name: `${name}/flatten`, layer: name });
  }

  /** In training drops values; else scales them where the network was trained without scaling. */
  private drop(x: Value, number: number): Value {
    const { g, architecture } = this;
    const probability = this.options.dropout;
    const { scaleAt } = architecture.dropout;
    const name = `drop${number}`;
    if (probability === 0) return x;
    if (this.random) return g.dropout(x, this.random, { probability, stream: number, scaleAt }, { name });
    return scaleAt === 'test' ? g.scale(x, { factor: 1 - probability }, { name }) : x;
  }

  /** One value for each tower, where towers are written out. */
  private fork(x: Value, name: string): Flow {
    const { towers, towerForm } = this.options;
    if (towers === 1 || towerForm === 'groups') return [x];
    const half = x.shape[1] / 2;
    return this.g.split(x, { axis: 1, sizes: [half, half] }, { name: `${name}/split`, layer: name });
  }

  private join(flow: Flow, name: string): Value {
    return flow.length === 1 ? flow[0] : this.g.concat(flow, { axis: 1 }, { name: `${name}/concat`, layer: name });
  }

  /** How the layer's variables start and learn; each output is a sum of `fanIn` products. */
  private start(learning: Learning, fanIn: number): LearnedOptions {
    if (this.options.init === 'preset') return resolveLearning(learning, fanIn);
    // The initializer 'he' reads the fan-in off the shape, which local kernels have otherwise.
    const weight: Start = { kind: 'normal', std: Math.sqrt(2 / fanIn) };
    return resolveLearning({ ...learning, weight, bias: { kind: 'constant', value: 0 } }, fanIn);
  }

  /** Even, so that two towers share every layer; the small term keeps 96 · (1/3) at 32. */
  private scaled(count: number): number {
    return 2 * Math.ceil((count * this.options.width) / 2 - 1e-9);
  }
}

/** Applies an op to each tower; the nodes of two have letters after their names. */
function each(flow: Flow, name: string, apply: (x: Value, name: string) => Value): Flow {
  return flow.map((x, i) => apply(x, flow.length === 1 ? name : `${name}${towerLetters[i]}`));
}

/** [top, left, bottom, right] */
function paddingOf({ padding = 0, kernel, stride = 1 }: Block, [, , ...sides]: readonly number[]): readonly number[] {
  if (padding !== 'ceil') return [padding, padding, padding, padding];
  const after = sides.map((side) => Math.ceil((side - kernel) / stride) * stride + kernel - side);
  return [0, 0, ...after];
}

function resolveLearning(learning: Learning, fanIn: number): LearnedOptions {
  const initializer = (start: Start): Initializer =>
    start.kind === 'fan-in' ? { kind: 'uniform', limit: 1 / Math.sqrt(fanIn) } : start;
  const multipliers = (learningRateMultiplier = 1, decayMultiplier = 1): VariableOptions => ({
    learningRateMultiplier,
    decayMultiplier,
  });
  return {
    weight: initializer(learning.weight),
    bias: initializer(learning.bias),
    weightOptions: multipliers(learning.weightRate, learning.weightDecay),
    biasOptions: multipliers(learning.biasRate, learning.biasDecay),
  };
}

/** The number in a layer's name. */
function digits(name: string): number {
  return Number(name.replace(/\D/g, ''));
}
