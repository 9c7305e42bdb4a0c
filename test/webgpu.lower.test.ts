/** WGSL and WebGPU lowering: pure functions, no adapter is looked for. */
import t from 'tap';
import { kernelFiles } from '../src/backends/webgpu/generated/kernels.js';
import { cut } from '../src/backends/webgpu/lower/cut.js';
import { algorithmNames, lower } from '../src/backends/webgpu/lower/lower.js';
import {
  type Buffer,
  defaultLimits,
  type Feature,
  kernelFeatures,
  type Limits,
  type Lowered,
  offsetAlignment,
  type Step,
} from '../src/backends/webgpu/lower/program.js';
import { chooseTiling, mostSlices } from '../src/backends/webgpu/lower/tiles.js';
import { type Constants, preprocess } from '../src/backends/webgpu/source.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { type Conv2dAttributes, conv2d } from '../src/ops/conv2d.js';
import { makeCase, tensor, variable } from '../src/verify/case.js';
import { selectCases } from '../src/verify/tables.js';
import { trace } from '../src/verify/trace.js';
import { faultOf, poolsOf } from './support/dispatches.js';

t.test('the preprocessor', async (t) => {
  const of = (text: string, constants = {}, more: Record<string, string> = {}) =>
    preprocess({ 'k.wgsl': text, ...more }, 'k', constants);

  t.equal(of('fn f() {}\n// #if in a comment'), 'fn f() {}\n// #if in a comment', 'other text passes');
  t.equal(
    of('#include "a"\n#include "b"\nk', {}, { a: '#include "b"\na', b: 'b' }),
    'b\na\nk',
    'a file is included once, where it is first asked for',
  );
  t.equal(
    of('#if X\n#include "nowhere"\n#endif\nk', { X: false }),
    'const X = false;\nk',
    'a branch not taken includes nothing',
  );

  const chosen = (condition: string, constants: Record<string, unknown>) =>
    of(`#if ${condition}\nyes\n#else\nno\n#endif`, constants).split('\n').at(-1);
  t.equal(chosen('A', { A: true }), 'yes');
  t.equal(chosen('!A', { A: true }), 'no');
  t.equal(chosen('A', { A: 0 }), 'no');
  t.equal(chosen('A == 3', { A: 3 }), 'yes');
  t.equal(chosen('A != f16', { A: 'f16' }), 'no');
  t.equal(chosen('A && !B', { A: true, B: false }), 'yes');
  t.equal(chosen('A && B || C', { A: true, B: false, C: true }), 'yes', '&& binds more closely than ||');
  const steps = (value: number) =>
    of('#if A == 1\none\n#elif A == 2\n#if B\ntwo\n#endif\n#else\nmany\n#endif', { A: value, B: true })
      .split('\n')
      .at(-1);
  t.same([1, 2, 3].map(steps), ['one', 'two', 'many']);

  t.equal(
    of('text', { COUNT: 3, HALF: 0.5, LESS: -1, ON: true, Element: 'f16' }),
    'const COUNT = 3u;\nconst HALF = 0.5f;\nconst LESS = -1f;\nconst ON = true;\nalias Element = f16;\ntext',
  );
  t.equal(
    of('#include "a"\n#enable f16\nk', { N: 1 }, { a: '#enable f16\n#enable subgroups' }),
    'enable f16;\nenable subgroups;\nconst N = 1u;\nk',
    'enable directives come first, once each',
  );

  t.equal(
    of('#for i N\nvar a$i: f32;\n#endfor\nk', { N: 2 }),
    'const N = 2u;\nvar a0: f32;\nvar a1: f32;\nk',
    'a loop gives each turn its number',
  );
  t.equal(
    of('#for i 2\n#for j 2\n#if ON\n$i$j\n#endif\n#endfor\n#endfor', { ON: true }),
    'const ON = true;\n00\n01\n10\n11',
    'loops nest, with conditions in them',
  );
  t.equal(of('#for i 0\nx\n#endfor\nk'), 'k');

  for (const [text, message] of [
    ['#for i 2\nx', /k\.wgsl:1: #for without #endfor/],
    ['x\n#endfor', /k\.wgsl:2: #endfor without #for/],
    ['#for i\n#endfor', /k\.wgsl:1: expected #for NAME COUNT/],
    ['#for i M\n#endfor', /k\.wgsl:1: the constant M is not given/],
    ['x\n#for i 2\ny\n#what\n#endfor', /k\.wgsl:4: unknown directive #what/],
    ['#if A\n', /the constant A is not given/],
    ['x\n#if A >\n#endif', /k\.wgsl:2: cannot read the condition/],
    ['#endif', /k\.wgsl:1: #endif without #if/],
    ['#else', /k\.wgsl:1: #else without #if/],
    ['#if N\n', /k\.wgsl: #if without #endif/],
    ['#include lib', /k\.wgsl:1: expected #include "FILE"/],
    ['#include "lib"', /there is no WGSL file 'lib'/],
    ['#define X', /k\.wgsl:1: unknown directive #define/],
  ] as const) {
    t.throws(() => of(text, { N: 1 }), { message }, text);
  }
  t.throws(() => preprocess({}, 'gone', {}), { message: /there is no WGSL file 'gone\.wgsl'/ });
});

/** A graph for what only needs a node to name. */
function someNode() {
  const g = new GraphBuilder('some');
  g.output('y', g.relu(g.input('x', [4]), { name: 'relu1' }));
  return g.build().nodes[0];
}

const owner = { node: someNode(), algorithm: 'some', main: true };

function cutInto(limit: number, units: number, unitBytes: readonly number[], given: Partial<Step> = {}) {
  const buffers: Buffer[] = unitBytes.map((bytes, i) => ({
    name: `tensor${i}`,
    bytes: Math.ceil((units * bytes) / 16) * 16 || 1024,
    home: 'arena',
  }));
  const step: Step = {
    kernel: 'some',
    units,
    bindings: unitBytes.map((bytes, buffer) => ({ buffer, access: buffer === 0 ? 'write' : 'read', unitBytes: bytes })),
    params: (count, first) => [count, first],
    workgroups: (count) => [count, 1, 1],
    ...given,
  };
  const dispatches = cut(step, buffers, { ...defaultLimits, maxStorageBufferBindingSize: limit }, owner);
  return { dispatches, buffers };
}

t.test('a step is cut where a binding is too large, into parts that fit, are aligned and are all of it', async (t) => {
  t.equal(cutInto(1 << 20, 100, [400, 0]).dispatches.length, 1);
  t.same(cutInto(1 << 20, 100, [400, 0]).dispatches[0].bindings, [
    { buffer: 0, access: 'write' },
    { buffer: 1, access: 'read' },
  ]);
  for (const limit of [4096, 12_000, 65_536]) {
    for (const units of [1000, 1024, 4097]) {
      for (const unitBytes of [
        [256, 0],
        [4, 0],
        [4, 64],
        [12, 20],
        [0, 28],
      ]) {
        const { dispatches, buffers } = cutInto(limit, units, unitBytes);
        let next = 0;
        for (const { bindings, params, main } of dispatches) {
          const [count, first] = params as readonly number[];
          if (first !== next || main !== (first === 0)) t.fail(`unit ${first} follows ${next}`);
          next = first + count;
          for (const { buffer, offset = 0, bytes = buffers[buffer].bytes } of bindings) {
            const unit = unitBytes[buffer];
            const inside = offset + bytes <= buffers[buffer].bytes && bytes <= limit && offset % offsetAlignment === 0;
            const enough = unit === 0 || dispatches.length === 1 || (offset === first * unit && bytes >= count * unit);
            if (!inside || !enough) t.fail(`limit ${limit}, unit ${unit}: ${bytes} bytes from ${offset}`);
          }
        }
        t.equal(next, units, `${units} units of ${unitBytes} bytes by ${limit}`);
      }
    }
  }
  const sizes = cutInto(1024 * 100, 110, [1024]).dispatches.map(({ params }) => params[0]);
  t.same(sizes, [55, 55], 'in equal parts');
});

t.test('what cannot be cut is an error that names node, kernel and buffer', async (t) => {
  const says = (message: RegExp, run: () => unknown) => t.throws(run, { name: 'BackendError', message });
  says(/node 'relu1': some needs 2048 bytes of 'tensor0' in one binding, the device allows 1024/, () =>
    cutInto(1024, 100, [2048]),
  );
  says(/'tensor1' in one binding/, () => cutInto(512, 100, [256, 0]));
  says(/cannot be cut into bindings of 1024 bytes/, () => cutInto(1024, 100, [36]));
  says(/would need 65536 × 1 × 1 workgroups, a dimension holds 65535/, () => cutInto(1 << 20, 65_536, [4]));
  says(/binds 9 buffers, a shader stage has 8/, () => cutInto(1 << 20, 1, Array(9).fill(4)));
});

/** Bindings and parameters that a kernel's text declares. */
function declared(text: string) {
  const constants = new Map([...text.matchAll(/^const (\w+) = (\d+)u;/gm)].map(([, name, value]) => [name, +value]));
  const place = (expression: string) =>
    expression
      .split('+')
      .map((term) => constants.get(term.trim()) ?? Number.parseInt(term, 10))
      .reduce((sum, value) => sum + value, 0);
  const bindings = [...text.matchAll(/@binding\(([^)]*)\)\s*var<storage,\s*(\w+)>/g)]
    .map(([, at, access]) => ({ at: place(at), access: access === 'read' ? 'read' : 'write' }))
    .sort((a, b) => a.at - b.at);
  const params = /struct Params \{([^}]*)\}/.exec(text)?.[1] ?? '';
  return { bindings, words: [...params.replace(/\/\/.*/g, '').matchAll(/\w+:\s*[uif]32\b/g)].length };
}

t.test('every case lowers with every algorithm, to dispatches that their kernels fit', async (t) => {
  const texts = new Map<string, ReturnType<typeof declared>>();
  const used = new Set<string>();
  let count = 0;
  for (const one of selectCases()) {
    for (const { graph } of trace(one)) {
      const [node] = graph.nodes;
      if (node.op.alias) continue;
      for (const algorithm of algorithmNames(graph, node, defaultLimits, kernelFeatures)) {
        const lowered = lower(graph, {
          limits: defaultLimits,
          features: kernelFeatures,
          algorithms: { [node.op.name]: algorithm },
        });
        const pools = poolsOf(graph, lowered, defaultLimits);
        for (const dispatch of [...lowered.preparation, ...lowered.dispatches]) {
          const { kernel, constants, bindings, params } = dispatch;
          const key = `${kernel} ${JSON.stringify(constants)}`;
          const text = texts.get(key) ?? declared(preprocess(kernelFiles, kernel, constants));
          texts.set(key, text);
          used.add(kernel);
          count++;
          const fault =
            JSON.stringify(text.bindings) !== JSON.stringify(bindings.map(({ access }, i) => ({ at: i + 1, access })))
              ? 'its bindings differ'
              : text.words !== params.length
                ? `${text.words} parameters declared, ${params.length} given`
                : faultOf(dispatch, lowered, pools, defaultLimits);
          if (fault) t.fail(`${one.op.name} ${one.name}, ${algorithm}: ${key}: ${fault}`);
        }
      }
    }
  }
  t.ok(count > 5000, `${count} dispatches of ${texts.size} variants`);
  const all = Object.keys(kernelFiles)
    .filter((file) => !file.includes('/'))
    .map((file) => file.replace('.wgsl', ''));
  t.same(
    all.filter((kernel) => !used.has(kernel)),
    [],
    'the cases reach every kernel',
  );
});

t.test('kernels use a feature where the device has it, first of all; without it they can do the same', async (t) => {
  const algorithmsOf = (name: string, features: readonly Feature[]) => {
    const found = new Map<string, { first: string; others: readonly string[] }>();
    for (const one of selectCases({ op: name, quick: true })) {
      for (const { graph } of trace(one)) {
        const [node] = graph.nodes;
        if (node.op.alias) continue;
        const names = algorithmNames(graph, node, defaultLimits, features);
        const { dispatches } = lower(graph, { limits: defaultLimits, features });
        const enabled = dispatches.filter(({ kernel, constants }) =>
          preprocess(kernelFiles, kernel, constants).startsWith('enable subgroups;\n'),
        );
        const uses = names[0].endsWith('Subgroups');
        if (enabled.length > 0 !== uses) t.fail(`${one.name}: ${names[0]} has ${enabled.length} such kernels`);
        found.set(node.op.name, { first: names[0], others: names.slice(1) });
      }
    }
    return found;
  };
  for (const name of ['linear', 'softmax', 'logSoftmax', 'crossEntropy', 'meanSquaredError', 'conv2d']) {
    const [without, all] = [algorithmsOf(name, []), algorithmsOf(name, ['subgroups'])];
    t.ok(
      [...all.values()].some(({ first }) => first.endsWith('Subgroups')),
      name,
    );
    for (const [op, { first, others }] of all) {
      const plain = without.get(op);
      const names = [first, ...others].filter((each) => !each.endsWith('Subgroups'));
      t.same(names, [plain?.first, ...(plain?.others ?? [])], `${op}: the others are those of any device`);
    }
  }
});

/** The dispatches of a convolution x · w and of its gradients, by op. */
function convolution(
  [x, w]: readonly (readonly number[])[],
  given: Partial<Conv2dAttributes>,
  options: { readonly limits?: Limits; readonly algorithms?: Readonly<Record<string, string>> } = {},
) {
  const one = makeCase(conv2d, [tensor(...x), variable(...w)], given);
  const of = new Map<string, Lowered>();
  for (const { graph } of trace(one)) {
    of.set(graph.nodes[0].op.name, lower(graph, { limits: defaultLimits, ...options }));
  }
  return (op: string) => of.get(op) as Lowered;
}

t.test('products with few tiles share out their depth, by shape and limits alone', async (t) => {
  const shapes = (batch: number) => [
    [batch, 64, 27, 27],
    [192, 64, 5, 5],
  ];
  const partialOf = ({ buffers, dispatches }: Lowered) => {
    const buffer = buffers.find(({ name }) => name.endsWith('partial sums'));
    return { bytes: buffer?.bytes ?? 0, last: dispatches.at(-1)?.kernel };
  };
  const result = 192 * 27 * 27 * 4;
  for (const [op, bytes] of [
    ['conv2d', result],
    ['conv2dDataGradient', result / 3],
  ] as const) {
    const one = partialOf(convolution(shapes(1), { padding: 2 })(op));
    t.equal(one.last, 'sumSlices', `${op}: a second pass adds up the slices`);
    t.ok(one.bytes >= 2 * bytes && one.bytes % bytes === 0, `${op}: ${one.bytes / bytes} slices`);
    const limit = 3 * bytes;
    const limits = { ...defaultLimits, maxStorageBufferBindingSize: Math.max(limit, 192 * 64 * 25 * 4) };
    const fewer = partialOf(convolution(shapes(1), { padding: 2 }, { limits })(op));
    t.ok(fewer.bytes < one.bytes && fewer.bytes <= limits.maxStorageBufferBindingSize, `${op}: fewer where they fit`);
    t.same(partialOf(convolution(shapes(64), { padding: 2 })(op)).bytes, 0, `${op}: none where there are many images`);
  }
  const weight = convolution(shapes(64), { padding: 2 })('conv2dWeightGradient');
  t.equal(partialOf(weight).last, 'sumSlices');
  t.equal(partialOf(weight).bytes % (192 * 64 * 25 * 4), 0);
});

t.test('Winograd is chosen for many channels, forward and back', async (t) => {
  const chosen = (channels: number, size: number, padding = 1) => {
    const shapes = [
      [32, channels, size, size],
      [channels, channels, 3, 3],
    ];
    const of = convolution(shapes, { padding });
    return ['conv2d', 'conv2dDataGradient', 'conv2dWeightGradient'].map((op) => of(op).dispatches[0].algorithm);
  };
  t.same(chosen(256, 13), ['winograd43', 'winograd43', 'implicitGemm']);
  t.same(chosen(2, 13), ['implicitGemm', 'implicitGemm', 'implicitGemm']);
  // The turned filters would need a negative padding.
  t.same(chosen(256, 13, 3), ['winograd43', 'implicitGemm', 'implicitGemm']);
});

t.test('a few output channels get a thin tile', async (t) => {
  const shapes = [
    [128, 1, 55, 55],
    [2, 1, 1, 1],
  ];
  const of = convolution(shapes, {});
  for (const op of ['conv2d', 'conv2dDataGradient', 'conv2dWeightGradient']) {
    const main = of(op).dispatches.find((dispatch) => dispatch.main);
    t.equal(main?.constants.THIN, true, op);
  }
});

t.test('tiles keep to the workgroups that every device has', async (t) => {
  const sizes = [1, 8, 9, 16, 33, 100, 384, 4096];
  const found = new Map<string, Constants>();
  for (const rows of sizes) {
    for (const columns of sizes) {
      for (const copies of [1, 36]) {
        for (const depth of [1, 27, 1024, 100_000]) {
          const { tile, slices } = chooseTiling(
            { rows, columns, depth, copies },
            mostSlices(depth, rows * columns, 2 ** 27),
          );
          found.set(JSON.stringify(tile.constants), tile.constants);
          if (slices > 1 && depth / slices < 64) t.fail(`${slices} slices of ${depth}`);
        }
      }
    }
  }
  for (const c of found.values()) {
    if (c.THIN) continue;
    const [rows, columns, depth] = [c.TILE_ROWS, c.TILE_COLUMNS, c.TILE_DEPTH] as number[];
    const invocations = (rows * columns) / (16 * (c.ROW_VECTORS as number) * (c.COLUMN_VECTORS as number));
    const bytes = (rows / 4 + 1 + columns / 4 + 1) * depth * 16;
    t.ok(invocations <= defaultLimits.maxComputeInvocationsPerWorkgroup, `${rows} × ${columns}: ${invocations}`);
    t.ok(bytes <= defaultLimits.maxComputeWorkgroupStorageSize, `${rows} × ${columns}: ${bytes} bytes`);
    t.ok(Number.isInteger(c.A_LOADS) && Number.isInteger(c.B_LOADS), `${rows} × ${columns}: whole loads`);
  }
  t.ok(found.size > 6, `${found.size} tiles in use`);
});
