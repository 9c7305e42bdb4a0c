/** ONNX models made by hand, encoded by protobufjs, for tests of the import. */
import { onnxAttributeType, onnxDataType, onnxSchema } from '../../src/formats/onnxSchema.js';
import { elements } from '../../src/ops/define.js';
import { uniform } from './tensors.js';

/** A number stands for an int, a list for ints; `float` makes the others. */
export type AttributeGiven = number | string | readonly number[] | { readonly [field: string]: unknown };

export function float(value: number): AttributeGiven {
  return { f: value, type: onnxAttributeType.float };
}

export function floats(...values: number[]): AttributeGiven {
  return { floats: values, type: onnxAttributeType.floats };
}

/** An attribute that is a tensor. */
export function tensor(type: 'f32' | 'i64', dims: readonly number[], values: readonly number[]): AttributeGiven {
  return { t: tensorProto('', type, dims, values), type: onnxAttributeType.tensor };
}

function tensorProto(name: string, type: 'f32' | 'i64', dims: readonly number[], values: ArrayLike<number>) {
  const data = type === 'f32' ? Float32Array.from(values) : BigInt64Array.from(Array.from(values, BigInt));
  return { name, dims, dataType: onnxDataType[type], rawData: new Uint8Array(data.buffer) };
}

function attributeProto(given: AttributeGiven): object {
  if (typeof given === 'number') return { i: given, type: onnxAttributeType.int };
  if (typeof given === 'string') return { s: new TextEncoder().encode(given), type: onnxAttributeType.string };
  return Array.isArray(given) ? { ints: given, type: onnxAttributeType.ints } : given;
}

type Extents = readonly (number | string)[];

export class OnnxBuilder {
  readonly inputs = new Map<string, Extents>();
  private readonly outputs: string[] = [];
  private readonly initializers: {
    readonly name: string;
    readonly dims: readonly number[];
    readonly dataType: number;
  }[] = [];
  private readonly nodes: object[] = [];
  private seed = 1;

  constructor(
    readonly opset: number,
    private readonly name = 'made',
    /** 3 has the initializers among the inputs. */
    private readonly irVersion: 3 | 8 = 8,
  ) {}

  input(name: string, ...shape: (number | string)[]): string {
    this.inputs.set(name, shape);
    return name;
  }

  output(...names: string[]): this {
    this.outputs.push(...names);
    return this;
  }

  /** An initializer of numbers from −limit to limit. */
  weight(name: string, shape: readonly number[], limit = 0.5): string {
    const next = uniform(this.seed++);
    return this.floats(
      name,
      shape,
      Array.from({ length: elements(shape) }, () => limit * (2 * next() - 1)),
    );
  }

  floats(name: string, shape: readonly number[], values: ArrayLike<number>): string {
    this.initializers.push(tensorProto(name, 'f32', shape, values));
    return name;
  }

  integers(name: string, ...values: number[]): string {
    this.initializers.push(tensorProto(name, 'i64', [values.length], values));
    return name;
  }

  /** Adds a node; returns the name of its first output. */
  node(
    opType: string,
    input: readonly string[],
    output: string | readonly string[],
    attributes: Readonly<Record<string, AttributeGiven>> = {},
    more: { readonly name?: string; readonly domain?: string } = {},
  ): string {
    const outputs = [output].flat();
    const attribute = Object.entries(attributes).map(([name, given]) => ({ name, ...attributeProto(given) }));
    this.nodes.push({ opType, input, output: outputs, attribute, name: outputs[0], ...more });
    return outputs[0];
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    const info = (name: string, shape?: Extents, elemType: number = onnxDataType.f32) => ({
      name,
      type: {
        tensorType: {
          elemType,
          ...(shape
            ? { shape: { dim: shape.map((one) => (typeof one === 'number' ? { dimValue: one } : { dimParam: one })) } }
            : {}),
        },
      },
    });
    const all = this.irVersion === 3 ? this.initializers : [];
    const listed = all.map(({ name, dims, dataType }) => info(name, dims, dataType));
    const content = {
      irVersion: this.irVersion,
      producerName: 'test',
      opsetImport: [{ domain: '', version: this.opset }],
      graph: {
        name: this.name,
        node: this.nodes,
        initializer: this.initializers,
        input: [...[...this.inputs].map(([name, shape]) => info(name, shape)), ...listed],
        output: this.outputs.map((name) => info(name)),
      },
    };
    return Uint8Array.from((await onnxSchema()).lookupType('ModelProto').encode(content).finish());
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.bytes()]);
  }
}
