/**
 * The preprocessor of WGSL kernels. Pipeline overrides can change neither storage types nor the sizes of register arrays, so a
 * kernel is text with a few directives, each on a line of its own:
 *
 * - `#include "lib/NAME.wgsl"`: the file's text, once per kernel
 * - `#if CONDITION`, `#elif CONDITION`, `#else`, `#endif`: NAME, !NAME, NAME == VALUE or NAME != VALUE, joined by && or by ||
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
    const lines: string[] = [];
    /** For each open #if: whether this branch is taken, and whether one has been. */
    const branches: { active: boolean; done: boolean; outer: boolean }[] = [];
    const active = (): boolean => branches.at(-1)?.active ?? true;
    for (const [i, line] of text.split('\n').entries()) {
      const directive = /^\s*#(\w+)\s*(.*?)\s*$/.exec(line);
      if (!directive) {
        if (active()) lines.push(line);
        continue;
      }
      const [, word, rest] = directive;
      const fault = (what: string): BackendError => new BackendError(`${file}:${i + 1}: ${what}`);
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
        case 'include': {
          const path = /^"([^"]+)"$/.exec(rest)?.[1];
          if (path === undefined) throw fault('expected #include "FILE"');
          if (active() && !included.has(path)) lines.push(...expand(path));
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
    return lines;
  }
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
