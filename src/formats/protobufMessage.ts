/** Messages of a protobuf schema out of a source: small fields as values, tensors' data as places where they lie. */
import type { ByteSource } from './byteSource.js';
import {
  type Field,
  ProtobufWalker,
  type Run,
  varintLength,
  varintValue,
  type WireType,
  wireType,
} from './protobuf.js';

/**
 * Fields by name: `[type, number]`. A type is 'string', 'bytes', 'int64', 'int32', 'float', 'double', or a message of the schema; '*'
 * before it means repeated, and '@' before that, that the values stay in the file: their places are told.
 */
export type ProtobufFields = Readonly<Record<string, readonly [type: string, number: number]>>;

export type ProtobufSchema = Readonly<Record<string, ProtobufFields>>;

/** Where a field's values lie: packed pieces of bytes, and runs of values with their tags between them. */
export type Located = readonly (Run | Piece)[];

/** Bytes without tags between them. */
export interface Piece {
  readonly begin: number;
  readonly end: number;
}

interface Scalars {
  readonly string: string;
  readonly bytes: Uint8Array;
  readonly int64: number;
  readonly int32: number;
  readonly uint64: number;
  readonly float: number;
  readonly double: number;
}

type ValueOf<S extends ProtobufSchema, T> = T extends keyof Scalars
  ? Scalars[T]
  : T extends keyof S
    ? Message<S, T>
    : never;

type FieldOf<S extends ProtobufSchema, T extends string> = T extends `@${string}`
  ? Located
  : T extends `*${infer E}`
    ? readonly ValueOf<S, E>[]
    : ValueOf<S, T> | undefined;

/** A message that was read: a repeated or located field that the file has not is an empty list, any other is undefined. */
export type Message<S extends ProtobufSchema, N extends keyof S> = {
  readonly [F in keyof S[N]]: FieldOf<S, S[N][F][0]>;
} & {
  /** The byte where the message begins. */
  readonly offset: number;
};

/**
 * Most messages and strings, bytes of values and places of data that are kept. A network has some thousands outside its tensors, and a
 * hostile file must not make much of little: an empty message takes two bytes there, a hundred here.
 */
const most = { values: 2 ** 17, bytes: 2 ** 23, places: 2 ** 17 };

interface KnownField {
  readonly name: string;
  readonly type: string;
  readonly repeated: boolean;
  readonly located: boolean;
}

type Values = Record<string, unknown>;

const none: readonly never[] = Object.freeze([]);

/**
 * Reads a message that fills its source.
 *
 * @throws FileError naming the byte and the field for what breaks the wire format or the schema
 */
export async function readMessage<S extends ProtobufSchema, N extends string & keyof S>(
  source: ByteSource,
  schema: S,
  name: N,
): Promise<Message<S, N>> {
  return (await new MessageReader(source, schema).read(name, 0, source.size, '')) as Message<S, N>;
}

class MessageReader {
  readonly #walker: ProtobufWalker;
  readonly #known: ReadonlyMap<string, ReadonlyMap<number, KnownField>>;
  readonly #counts = { values: 0, bytes: 0, places: 0 };

  constructor(source: ByteSource, schema: ProtobufSchema) {
    this.#walker = new ProtobufWalker(source);
    this.#known = new Map(Object.entries(schema).map(([message, fields]) => [message, knownFields(fields)]));
  }

  async read(type: string, begin: number, end: number, path: string): Promise<Values> {
    this.#spend('values', 1, begin, path);
    const known = this.#known.get(type) ?? new Map<number, KnownField>();
    const values: Values = { offset: begin };
    for (const { name, repeated, located } of known.values()) values[name] = repeated || located ? none : undefined;
    for (let at = begin; at < end; ) {
      const next = this.#walker.field(at, end, path);
      const field = next instanceof Promise ? await next : next; // Most are at hand, and there may be millions.
      at = field.end;
      const found = known.get(field.number);
      if (!found) continue;
      const list = values[found.name] as unknown[] | undefined;
      const index = found.repeated && !found.located ? `[${list?.length}]` : '';
      const where = `${path === '' ? '' : `${path}.`}${found.name}${index}`;
      if (found.located) {
        const place = await this.#place(field, found, end, where);
        if ('stride' in place) at += (place.count - 1) * place.stride;
        values[found.name] = appended(list, [place]);
      } else if (found.repeated && field.wire === wireType.bytes && wireOf.has(found.type)) {
        values[found.name] = appended(list, await this.#packed(field, found.type, where));
      } else if (found.repeated) {
        values[found.name] = appended(list, [await this.#value(field, found.type, where)]);
      } else {
        if (values[found.name] !== undefined && this.#known.has(found.type)) {
          throw this.#walker.error(field.at, where, 'is there a second time');
        }
        values[found.name] = await this.#value(field, found.type, where);
      }
    }
    return values;
  }

  async #place(field: Field, { type }: KnownField, end: number, path: string): Promise<Run | Piece> {
    this.#spend('places', 1, field.at, path);
    const { begin } = field;
    if (field.wire === wireType.bytes) return { begin, end: field.end };
    this.#checkWire(field, type, path);
    return field.wire === wireType.varint ? { begin, end: field.end } : this.#walker.run(field, end);
  }

  async #value(field: Field, type: string, path: string): Promise<unknown> {
    this.#checkWire(field, type, path);
    const { begin, end } = field;
    if (this.#known.has(type)) return this.read(type, begin, end, path);
    if (field.wire === wireType.varint) return field.value;
    this.#spend('bytes', end - begin, field.at, path);
    if (field.wire === wireType.bytes) this.#spend('values', 1, field.at, path);
    const bytes = await this.#walker.bytes(begin, end);
    if (type === 'bytes') return bytes;
    if (type !== 'string') return floatsOf(bytes, type)[0];
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch (error) {
      throw this.#walker.error(field.at, path, 'is no UTF-8', error);
    }
  }

  /** Numbers of a repeated field that have no tags between them. */
  async #packed(field: Field, type: string, path: string): Promise<readonly number[]> {
    const { begin, end } = field;
    this.#spend('bytes', end - begin, field.at, path);
    const bytes = await this.#walker.bytes(begin, end);
    if (wireOf.get(type) !== wireType.varint) return floatsOf(bytes, type);
    const values: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = varintLength(bytes, at, bytes.length);
      if (length === 0) throw this.#walker.error(begin + at, path, 'has an integer that does not end');
      values.push(varintValue(bytes, at, length));
      at += length;
    }
    return values;
  }

  #checkWire(field: Field, type: string, path: string): void {
    const wanted = wireOf.get(type) ?? wireType.bytes;
    if (field.wire === wanted) return;
    throw this.#walker.error(field.at, path, `has wire type ${field.wire}, expected ${wanted}`);
  }

  #spend(what: keyof typeof most, amount: number, at: number, path: string): void {
    this.#counts[what] += amount;
    if (this.#counts[what] <= most[what]) return;
    throw this.#walker.error(at, path, `is beyond the first ${most[what]} ${what}, all that are read outside tensors`);
  }
}

/** Of the numbers; all else has its length before it. */
const wireOf: ReadonlyMap<string, WireType> = new Map([
  ['int64', wireType.varint],
  ['int32', wireType.varint],
  ['uint64', wireType.varint],
  ['float', wireType.fixed32],
  ['double', wireType.fixed64],
]);

function floatsOf(bytes: Uint8Array<ArrayBuffer>, type: string): readonly number[] {
  const view = new DataView(bytes.buffer);
  const size = type === 'float' ? 4 : 8;
  const read = (i: number) => (type === 'float' ? view.getFloat32(4 * i, true) : view.getFloat64(8 * i, true));
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => read(i));
}

/** Appends to a list in place; the first values make a list, since all messages share the empty one. */
function appended(list: unknown[] | undefined, values: readonly unknown[]): unknown[] {
  if (!list || list.length === 0) return [...values];
  for (const value of values) list.push(value);
  return list;
}

function knownFields(fields: ProtobufFields): ReadonlyMap<number, KnownField> {
  return new Map(
    Object.entries(fields).map(([name, [type, number]]) => {
      const [, located, repeated, plain] = /^(@?)(\*?)(.*)$/.exec(type) ?? [];
      return [number, { name, type: plain, repeated: repeated !== '', located: located !== '' }];
    }),
  );
}
