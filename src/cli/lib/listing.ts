/** `tandem convert` without OUT: what a file of weights holds, for people and for scripts. */
import { presetsThatFit } from '../../formats/fitWeights.js';
import type { FormattedTensorFile } from '../../formats/openTensors.js';
import { elementBytes } from '../../formats/safetensors.js';
import type { Model } from '../../models/model.js';
import { elements } from '../../ops/define.js';
import { formatBytes, formatCount, formatTable } from './table.js';

/** Longest value of the metadata that is shown to people. */
const longestValue = 100;

export interface Listing {
  readonly format: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly number[];
    /** Missing for a type whose size is not known. */
    readonly bytes?: number;
  }[];
  /** What it is of, where that is known: its names and shapes have been checked then. */
  readonly model?: Pick<Model, 'name' | 'options' | 'classes'>;
  /** Where it is not known: presets whose names or shapes it has. */
  readonly fits?: readonly { readonly model: string; readonly classes: number; readonly layout: string }[];
}

/** @param known what the file is of */
export function listTensors(file: FormattedTensorFile, known: Model | undefined): Listing {
  const { format, metadata } = file;
  const tensors = [...file.tensors].map(([name, { dtype, shape }]) => {
    const size = elementBytes.get(dtype);
    return { name, dtype, shape, ...(size ? { bytes: size * elements(shape) } : {}) };
  });
  const listing = { format, metadata, tensors };
  if (known) return { ...listing, model: { name: known.name, options: known.options, classes: known.classes } };
  const fits = presetsThatFit(file).map(({ model, layout }) => ({ model: model.name, classes: model.classes, layout }));
  return { ...listing, fits };
}

export function formatListing(path: string, { format, metadata, tensors, model, fits = [] }: Listing): string {
  const total = tensors.reduce((sum, { bytes = 0 }) => sum + bytes, 0);
  const rows = tensors.map(({ name, dtype, shape, bytes }) => [
    plain(name),
    plain(dtype),
    shape.join(' × '),
    bytes === undefined ? '–' : formatBytes(bytes),
  ]);
  const table = formatTable(
    [
      { title: 'tensor', align: 'left' },
      { title: 'type', align: 'left' },
      { title: 'shape', align: 'right' },
      { title: 'size', align: 'right' },
    ],
    rows,
  );
  const facts = Object.entries(metadata).map(([key, value]) => `${plain(key)}: ${plain(value, longestValue)}`);
  return [
    `${path}: ${format}, ${formatCount(tensors.length)} tensors, ${formatBytes(total)}`,
    '',
    table,
    '',
    ...facts,
    ...(model ? [`weights of ${model.name}, ${model.classes} classes`] : []),
    ...fits.map(({ model: name, classes, layout }) => `fits ${name}, ${classes} classes (${layout})`),
    ...(model || fits.length > 0 ? [] : ['fits no preset']),
  ].join('\n');
}

/** Text of a stranger's file for a terminal: control characters could move its cursor, or worse. */
function plain(text: string, longest = Number.POSITIVE_INFINITY): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return cut.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
