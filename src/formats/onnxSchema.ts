/**
 * The messages of the ONNX format that Tandem uses, with the field numbers of the public specification (onnx.proto of
 * github.com/onnx/onnx, IR version 8), as a descriptor for protobufjs. Fields left out here are skipped in reading.
 */
import type { INamespace, Root } from 'protobufjs/light.js';
import type { ProtobufFields, ProtobufSchema } from './protobufMessage.js';

/** For reading and for writing; the fields of TensorProto that are marked by '@' are located, not read: see `ProtobufFields`. */
export const onnxMessages = {
  ModelProto: {
    irVersion: ['int64', 1],
    producerName: ['string', 2],
    producerVersion: ['string', 3],
    graph: ['GraphProto', 7],
    opsetImport: ['*OperatorSetIdProto', 8],
    metadataProps: ['*StringStringEntryProto', 14],
  },
  OperatorSetIdProto: { domain: ['string', 1], version: ['int64', 2] },
  StringStringEntryProto: { key: ['string', 1], value: ['string', 2] },
  GraphProto: {
    node: ['*NodeProto', 1],
    name: ['string', 2],
    initializer: ['*TensorProto', 5],
    input: ['*ValueInfoProto', 11],
    output: ['*ValueInfoProto', 12],
    sparseInitializer: ['@*bytes', 15],
  },
  NodeProto: {
    input: ['*string', 1],
    output: ['*string', 2],
    name: ['string', 3],
    opType: ['string', 4],
    attribute: ['*AttributeProto', 5],
    domain: ['string', 7],
  },
  AttributeProto: {
    name: ['string', 1],
    f: ['float', 2],
    i: ['int64', 3],
    s: ['bytes', 4],
    t: ['TensorProto', 5],
    floats: ['*float', 7],
    ints: ['*int64', 8],
    strings: ['*bytes', 9],
    type: ['int32', 20],
  },
  TensorProto: {
    dims: ['*int64', 1],
    dataType: ['int32', 2],
    segment: ['@bytes', 3],
    floatData: ['@*float', 4],
    int32Data: ['@*int32', 5],
    int64Data: ['@*int64', 7],
    name: ['string', 8],
    rawData: ['@bytes', 9],
    doubleData: ['@*double', 10],
    uint64Data: ['@*uint64', 11],
    externalData: ['*StringStringEntryProto', 13],
    dataLocation: ['int32', 14],
  },
  ValueInfoProto: { name: ['string', 1], type: ['TypeProto', 2] },
  TypeProto: { tensorType: ['TensorTypeProto', 1] },
  TensorTypeProto: { elemType: ['int32', 1], shape: ['TensorShapeProto', 2] },
  TensorShapeProto: { dim: ['*DimensionProto', 1] },
  DimensionProto: { dimValue: ['int64', 1], dimParam: ['string', 2] },
} as const satisfies ProtobufSchema;

/** TensorProto.DataType */
export const onnxDataType = { f32: 1, u8: 2, i16: 5, i32: 6, i64: 7 } as const;

/** AttributeProto.AttributeType */
export const onnxAttributeType = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7, strings: 8 } as const;

let root: Promise<Root> | undefined;

/** The messages above, for writing; protobufjs is loaded on the first call, since most programs never touch an ONNX file. */
export function onnxSchema(): Promise<Root> {
  root ??= import('protobufjs/light.js').then(({ default: protobuf }) => protobuf.Root.fromJSON(descriptor()));
  return root;
}

function descriptor(): INamespace {
  const nested: Record<string, { fields: Record<string, { type: string; id: number; rule?: 'repeated' }> }> = {};
  for (const [message, fields] of Object.entries<ProtobufFields>(onnxMessages)) {
    nested[message] = { fields: {} };
    for (const [name, [marked, id]] of Object.entries(fields)) {
      const type = marked.replace('@', '');
      nested[message].fields[name] = type.startsWith('*')
        ? { rule: 'repeated', type: type.slice(1), id }
        : { type, id };
    }
  }
  return { nested };
}
