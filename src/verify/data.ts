/** The numbers of a case, drawn from its name: Philox4x32-10 words, and from them normal deviates in float64, rounded once. */
import { elements } from '../ops/define.js';
import { hashName, normalAngle, normalRadius } from '../ops/lib/deviates.js';
import { philox4x32 } from '../ops/lib/philox.js';
import { type Case, type CaseArray, type CaseInput, emptyArray } from './case.js';

/** A stream of random words, told from others by the case's op and name and by the place of the tensor in the case. */
class Random {
  private readonly key: readonly number[];
  private readonly words = new Uint32Array(4);
  private block = 0;
  private next = 4;
  private spare: number | undefined;

  constructor(
    one: Case,
    private readonly stream: number,
  ) {
    this.key = [hashName(one.op.name), hashName(one.name)];
  }

  /** An integer from 0 to 2³² − 1. */
  word(): number {
    if (this.next === 4) {
      philox4x32([this.block++, this.stream, 0, 0], this.key, this.words);
      this.next = 0;
    }
    return this.words[this.next++];
  }

  /** An integer from 0 to count − 1 (count far below 2³²). */
  below(count: number): number {
    return Math.floor((this.word() / 2 ** 32) * count);
  }

  sign(): number {
    return this.word() & 1 ? 1 : -1;
  }

  /** N(0, 1) */
  normal(): number {
    if (this.spare !== undefined) {
      const kept = this.spare;
      this.spare = undefined;
      return kept;
    }
    const radius = normalRadius(this.word());
    const angle = normalAngle(this.word());
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/** One number of the given kind. */
function draw(kind: Case['data'], random: Random): number {
  switch (kind) {
    case 'integers':
      return random.sign() * (1 + random.below(4));
    case 'large':
      return random.sign() * (1 + (9 * random.word()) / 2 ** 32);
    case 'ties':
      return random.below(3) - 1;
    default:
      return random.normal();
  }
}

/** Content of the case's tensor number `index`: its inputs in order, then the incoming gradients. */
export function content(one: Case, input: CaseInput, index: number): CaseArray {
  const { fill, dtype, shape } = input;
  const random = new Random(one, index);
  const data = emptyArray(dtype, elements(shape));
  switch (fill.kind) {
    case 'constant':
      return data.fill(fill.value);
    case 'key':
      return data.map(() => random.word() | 0);
    case 'labels':
      return data.map(() => random.below(fill.classes));
    case 'int16':
      return data.map(() => (one.data === 'integers' ? draw('integers', random) : random.below(65535) - 32767));
    case 'pixels':
      return data.map(() => random.word() & 255);
    case 'probabilities':
      return drawProbabilities(data, shape[shape.length - 1], random);
    case 'data': {
      for (let i = 0; i < data.length; i++) data[i] = draw(one.data, random) * fill.scale + fill.offset;
      if (one.data === 'nonFinite' && !input.variable) plant(data, random);
      return data;
    }
  }
}

/** Rows of positive numbers that add up to 1. */
function drawProbabilities(data: CaseArray, classes: number, random: Random): CaseArray {
  for (let start = 0; start < data.length; start += classes) {
    const row = Array.from({ length: classes }, () => 1 + random.word());
    const sum = row.reduce((total, value) => total + value, 0);
    row.forEach((value, i) => {
      data[start + i] = value / sum;
    });
  }
  return data;
}

/** What a gradient that comes in from above holds: the case's integers or non-finite values, else normal deviates. */
export function incomingContent(one: Case, input: CaseInput, index: number): CaseArray {
  const data = one.data === 'integers' || one.data === 'nonFinite' ? one.data : 'normal';
  return content({ ...one, data }, input, index);
}

/** Puts a NaN, a +∞ and a −∞ at random places. */
function plant(data: CaseArray, random: Random): void {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    data[random.below(data.length)] = value;
}
