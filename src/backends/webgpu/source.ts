/**
 * The preprocessor of WGSL kernels. Pipeline overrides can change neither storage types nor the sizes of register arrays, so a
 * kernel is text with a few directives, each on a line of its own:
 *
 * - `#include "lib/NAME.wgsl"`: the file's text, once per kernel
 * - `#if CONDITION`, `#elif CONDITION`, `#else`, `#endif`: NAME, !NAME, NAME == VALUE or NAME != VALUE, joined by && or by ||
 * - `#for NAME COUNT`, `#endfor`: the lines between, COUNT times (a number or a constant); NAME is a letter, `$NAME` in them 0, 1, …. Registers get names of
 *   their own so: not every compiler keeps an array in registers, even where a loop over it could be unrolled
 * - `#enable NAME`: an `enable` directive, moved to the head where WGSL wants it
 *
 * Constants given by the lowering become `const` (numbers: u32 when whole, else f32; booleans: bool) or `alias` (strings: element types)
 * before the text. What comes out is what `tandem plan --source` prints.
 */
import { BackendError } from '../../errors.js';

export type Constant = number | boolean | string;
export type Constants = Readonly<Record<string, Constant>>;

/**
 * WGSL of kernel `name` (a path in `files` without '.wgsl').
 *
 * @throws BackendError naming file and line of a directive that cannot be
 */
export function preprocess(files: Readonly<Record<string, string>>, name: string, constants: Constants = {}): string {
  const enables = new Set<string>();
  const included = new Set<string>();
  const body = expand(`${name}.wgsl`);
  return [...[...enables].map((feature) => `enable ${feature};`), ...declarations(constants), ...body].join('\n');

  function expand(file: string): string[] {
    const text = files[file];
    if (text === undefined) throw new BackendError(`there is no WGSL file '${file}'`);
    included.add(file);
    return walk(text.split('\n'), file, 1);
  }

  /** The text of some lines of a file, the first of which has the given number. */
  function walk(lines: readonly string[], file: string, number: number): string[] {
    const text: string[] = [];
    /** For each open #if: whether this branch is taken, and whether one has been. */
    const branches: { active: boolean; done: boolean; outer: boolean }[] = [];
    const active = (): boolean => branches.at(-1)?.active ?? true;
    for (let i = 0; i < lines.length; i++) {
      const directive = directiveOf(lines[i]);
      if (!directive) {
        if (active()) text.push(lines[i]);
        continue;
      }
      const { word, rest } = directive;
      const line = number + i;
      const fault = (what: string): BackendError => new BackendError(`${file}:${line}: ${what}`);
      const top = branches.at(-1);
      switch (word) {
        case 'if': {
          const outer = active();
          const taken = outer && holds(rest, constants, fault);
          branches.push({ active: taken, done: taken, outer });
          break;
        }
        case 'elif':
        case 'else': {
          if (!top) throw fault(`#${word} without #if`);
          top.active = top.outer && !top.done && (word === 'else' || holds(rest, constants, fault));
          top.done ||= top.active;
          break;
        }
        case 'endif':
          if (!branches.pop()) throw fault('#endif without #if');
          break;
        case 'for': {
          const end = endOfLoop(lines, i);
          if (end === undefined) throw fault('#for without #endfor');
          const body = lines.slice(i + 1, end);
          i = end;
          if (!active()) break;
          const [name, count] = loopOf(rest, constants, fault);
          for (let value = 0; value < count; value++) {
            const turn = body.map((one) => one.replaceAll(`$${name}`, `${value}`));
            text.push(...walk(turn, file, line + 1));
          }
          break;
        }
        case 'endfor':
          throw fault('#endfor without #for');
        case 'include': {
          const path = /^"([^"]+)"$/.exec(rest)?.[1];
          if (path === undefined) throw fault('expected #include "FILE"');
          if (active() && !included.has(path)) text.push(...expand(path));
          break;
        }
        case 'enable':
          if (active()) enables.add(rest);
          break;
        default:
          throw fault(`unknown directive #${word}`);
      }
    }
    if (branches.length > 0) throw new BackendError(`${file}: #if without #endif`);
    return text;
  }
}

function directiveOf(line: string): { readonly word: string; readonly rest: string } | undefined {
  const found = /^\s*#(\w+)\s*(.*?)\s*$/.exec(line);
  return found ? { word: found[1], rest: found[2] } : undefined;
}

/** Index of the #endfor that ends the #for at `start`. */
function endOfLoop(lines: readonly string[], start: number): number | undefined {
  let depth = 0;
  for (let i = start; i < lines.length; i++) {
    const word = directiveOf(lines[i])?.word;
    if (word === 'for') depth++;
    if (word === 'endfor' && --depth === 0) return i;
  }
  return undefined;
}

/** Name and number of turns of a loop. */
function loopOf(rest: string, constants: Constants, fault: (what: string) => BackendError): readonly [string, number] {
  const [, name, count] = /^([a-z])\s+(\w+)$/.exec(rest) ?? [];
  if (name === undefined) throw fault('expected #for NAME COUNT');
  const turns = /^\d+$/.test(count) ? Number(count) : constants[count];
  if (typeof turns !== 'number') throw fault(`the constant ${count} is not given, or is no number`);
  return [name, turns];
}

function holds(condition: string, constants: Constants, fault: (what: string) => BackendError): boolean {
  if (condition.includes('||')) return condition.split('||').some((part) => holds(part, constants, fault));
  if (condition.includes('&&')) return condition.split('&&').every((part) => holds(part, constants, fault));
  const match = /^\s*(!?)(\w+)\s*(?:(==|!=)\s*(\w+))?\s*$/.exec(condition);
  if (!match) throw fault(`cannot read the condition '${condition}'`);
  const [, not, name, operator, value] = match;
  if (!(name in constants)) throw fault(`the constant ${name} is not given`);
  const given = constants[name];
  const truth = operator ? (String(given) === value) === (operator === '==') : Boolean(given);
  return not ? !truth : truth;
}

function declarations(constants: Constants): string[] {
  return Object.entries(constants).map(([name, value]) => {
    if (typeof value === 'string') return `alias ${name} = ${value};`;
    if (typeof value === 'boolean') return `const ${name} = ${value};`;
    return `const ${name} = ${Number.isInteger(value) && value >= 0 ? `${value}u` : `${Math.fround(value)}f`};`;
  });
}
