/**
 * Python's pickles, protocols 0 to 5, as data (the opcodes are documented in CPython's Lib/pickletools.py). A pickle is a program
 * for a stack machine whose one dangerous ability is to call what it names; here it can name nothing but what a list of rules
 * knows, and each rule makes data from data. Byte strings that are long are located, not read.
 */
import { FileError } from '../errors.js';
import type { PickleInput } from './pickleInput.js';
import { type Opcode, opcodes } from './pickleOpcodes.js';
import {
  type Fail,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleObject,
  type PickleValue,
  textOf,
} from './pickleValues.js';

/** Opcodes that are believed: each may cost a few bytes of memory, and a state_dict has some thirty for a tensor. */
const mostOpcodes = 4_000_000;
/** Containers, strings and memo entries, which cost more: a tensor has some twenty. */
const mostObjects = 2 ** 19;
/** The longest opcode whose argument has a fixed size. */
const fixedBytes = 16;

export interface PickleRules {
  /** What 'module.name' stands for; what is not known is refused. */
  global(name: string): PickleGlobal | undefined;
  /** What a persistent id stands for, in files that have them. */
  persistent?(id: PickleValue, fail: Fail): PickleValue;
  /** What to do about something that is not known, as the end of the error's message. */
  readonly advice: string;
}

/**
 * Reads one pickle from the position of `input` on, which is then behind it.
 *
 * @throws FileError naming the file and the byte for a pickle that is broken, longer than what tensors need, or names anything
 * that the rules do not know
 */
export async function readPickle(input: PickleInput, rules: PickleRules): Promise<PickleValue> {
  const machine = new PickleMachine(input, rules);
  for (let count = 0; machine.result === undefined; count++) {
    if (count === mostOpcodes) throw machine.fail(`more than ${mostOpcodes} opcodes are no dictionary of tensors`);
    if (!input.has(fixedBytes)) await input.fill();
    const wait = machine.step();
    if (wait) await wait;
  }
  return machine.result;
}

/** The stack machine; its opcodes are in `pickleOpcodes.ts`. */
export class PickleMachine {
  /** What was on the stack at STOP. */
  result: PickleValue | undefined;
  private readonly stack: PickleValue[] = [];
  /** Heights of the stack at each MARK. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private objects = 0;
  /** Of the opcode that is being run. */
  private offset = 0;

  constructor(
    readonly input: PickleInput,
    private readonly rules: PickleRules,
  ) {}

  readonly fail: Fail = (what) => new FileError(`${this.input.source.label}: pickle, byte ${this.offset}: ${what}`);

  step(): Promise<void> | undefined {
    this.offset = this.input.position;
    const code = this.input.byte();
    const opcode: Opcode | undefined = opcodes[code];
    if (!opcode) throw this.fail(`opcode 0x${code.toString(16)} is not one that tensors need`);
    return opcode(this) as Promise<void> | undefined;
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  /** Pushes what takes memory of its own. */
  pushObject(value: PickleValue): void {
    this.countObjects(1);
    this.stack.push(value);
  }

  pop(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw this.fail('the stack is empty');
    return this.stack.pop() as PickleValue;
  }

  top(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) throw this.fail('the stack is empty');
    return this.stack[this.stack.length - 1];
  }

  mark(): void {
    this.marks.push(this.stack.length);
  }

  /** What was pushed since the last MARK. */
  popMark(): PickleValue[] {
    const height = this.marks.pop();
    if (height === undefined) throw this.fail('there is no mark on the stack');
    return this.stack.splice(height);
  }

  put(index: number): void {
    if (!this.memo.has(index)) this.countObjects(1);
    this.memo.set(index, this.top());
  }

  memoize(): void {
    this.put(this.memo.size);
  }

  get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw this.fail(`the memo has no entry ${index}`);
    this.stack.push(value);
  }

  append(items: readonly PickleValue[], kind: 'list' | 'set'): void {
    const list = this.top();
    if (!(list instanceof PickleList) || list.kind !== kind) throw this.fail(`items for what is no ${kind}`);
    for (const item of items) list.items.push(item);
  }

  setItems(pairs: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof PickleDict)) throw this.fail('items for what is no dictionary');
    if (pairs.length % 2) throw this.fail('a key without a value');
    for (let i = 0; i < pairs.length; i += 2) {
      this.countObjects(1);
      dict.set(pairs[i], pairs[i + 1]);
    }
  }

  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    const known = this.rules.global(full);
    if (!known) {
      const named = full.length > 200 ? `${full.slice(0, 200)}…` : full;
      throw this.fail(
        `names the Python object ${JSON.stringify(named)}, which is not loaded: only tensors, dictionaries, lists and numbers are. ${this.rules.advice}`,
      );
    }
    this.stack.push(known);
  }

  globalFromStack(): void {
    const name = textOf(this.pop());
    const module = textOf(this.pop());
    if (name === undefined || module === undefined) throw this.fail('a global must be named by two strings');
    this.global(module, name);
  }

  reduce(): void {
    const args = this.pop();
    const callable = this.pop();
    if (!(args instanceof PickleList) || args.kind !== 'tuple') throw this.fail('arguments must be a tuple');
    if (!(callable instanceof PickleGlobal) || !callable.call) throw this.fail('calls what cannot be called');
    const { name, call } = callable;
    const made = call(args.items, (what) => this.fail(`${name}: ${what}`));
    // A copy of a large list is one call, but takes its room.
    if (made instanceof PickleList) this.countObjects(made.items.length);
    if (made instanceof PickleDict) this.countObjects(made.entries.size);
    this.pushObject(made);
  }

  build(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof PickleObject) target.build(state, this.fail);
    // An OrderedDict may have attributes (torch keeps versions of modules there), which are no items.
    else if (!(target instanceof PickleDict)) throw this.fail('a state for what has none');
  }

  persistent(): void {
    const id = this.pop();
    if (!this.rules.persistent) throw this.fail('has a persistent id, which means nothing in this kind of file');
    this.pushObject(this.rules.persistent(id, this.fail));
  }

  private countObjects(count: number): void {
    this.objects += count;
    if (this.objects > mostObjects) throw this.fail(`more than ${mostObjects} objects are no dictionary of tensors`);
  }
}
