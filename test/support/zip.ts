/** Zip archives as a stranger may make them: what the directory claims need not be so. */

export interface ZippedEntry {
  readonly name: string;
  /** As it stands in the archive. */
  readonly content: Uint8Array;
  /** Of the compression: 0 is stored (the default), 8 deflated. */
  readonly method?: number;
  /** Bytes that it is said to have once inflated. */
  readonly size?: number;
  readonly crc?: number;
  /** Sizes and offset stand in the Zip64 extra field, as those of more than 4 GiB must. */
  readonly zip64?: boolean;
}

/** A record of fixed fields, [bytes, value] each, little endian. */
function record(...fields: readonly (readonly [bytes: 2 | 4 | 8, value: number])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, size);
    at += size;
  }
  return bytes;
}

export function zip(entries: readonly ZippedEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, content, method = 0, size = content.length, crc = 0, zip64 = false } of entries) {
    const text = Buffer.from(name);
    const sizes = zip64
      ? ([
          [4, 0xffffffff],
          [4, 0xffffffff],
        ] as const)
      : ([
          [4, content.length],
          [4, size],
        ] as const);
    // Version, flags, method, time, date, CRC-32, sizes, lengths of the name and the extra field.
    const common = (extra: number) =>
      [
        [2, zip64 ? 45 : 20],
        [2, 0],
        [2, method],
        [2, 0],
        [2, 0x21],
        [4, crc],
        ...sizes,
        [2, text.length],
        [2, extra],
      ] as const;
    const localExtra = zip64 ? record([2, 1], [2, 16], [8, size], [8, content.length]) : Buffer.alloc(0);
    const extra = zip64 ? record([2, 1], [2, 24], [8, size], [8, content.length], [8, at]) : Buffer.alloc(0);
    const offset = zip64 ? 0xffffffff : at;
    const local = [record([4, 0x04034b50], ...common(localExtra.length)), text, localExtra, content];
    const rest = [
      [2, 0],
      [2, 0],
      [2, 0],
      [4, 0],
      [4, offset],
    ] as const;
    directory.push(record([4, 0x02014b50], [2, 45], ...common(extra.length), ...rest), text, extra);
    parts.push(...local);
    at += local.reduce((sum, part) => sum + part.length, 0);
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const count = Math.min(entries.length, 0xffff);
  const end = record([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, length], [4, at], [2, 0]);
  return new Uint8Array(Buffer.concat([...parts, ...directory, end]));
}
