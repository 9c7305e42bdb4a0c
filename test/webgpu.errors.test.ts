/** What goes wrong on a device becomes an error of Tandem's that says whose fault it is, and a lost device costs no more than its engine. */
import t from 'tap';
import { openBackend } from '../src/backends/open.js';
import { GraphBuilder } from '../src/graph/builder.js';
import { openEngine } from '../src/index.js';
import { intercept, ownDevice } from './support/gpu.js';
import { onSoftwareAdapter } from './support/software.js';
import { someImages, someLabels, tinyModel } from './support/tiny.js';

await onSoftwareAdapter();

const images = someImages(3);
const labels = someLabels(3);

function graph(count: number) {
  const g = new GraphBuilder('some');
  const x = g.input('x', [count]);
  g.output('y', g.relu(g.sigmoid(x, { name: 'squash' }), { name: 'cut' }));
  return g.build();
}

t.test('the validation layer', async (t) => {
  const device = await ownDevice();
  const backend = await openBackend({ device });
  const compile = () => backend.compile(graph(64), new Map());
  const x = new Float32Array(64);

  const says = (message: RegExp) => ({ name: 'BackendError', message });

  let restore = intercept(device, 'createShaderModule', (own) => (descriptor: GPUShaderModuleDescriptor) => {
    return own({ ...descriptor, code: descriptor.code.replace('fn main', 'fn other') });
  });
  await t.rejects(compile(), says(/^node 'squash' \(sigmoid\): kernel sigmoid does not compile: .*main/), 'a pipeline');
  restore();
  restore = intercept(device, 'createShaderModule', (own) => (descriptor: GPUShaderModuleDescriptor) => {
    return own({ ...descriptor, code: `${descriptor.code}\nlet` });
  });
  await t.rejects(compile(), says(/^node 'squash' \(sigmoid\): kernel sigmoid does not compile: line \d+: /), 'WGSL');
  restore();
  restore = intercept(device, 'createBindGroup', (own) => (descriptor: GPUBindGroupDescriptor) => {
    return own({ ...descriptor, entries: [...descriptor.entries].slice(1) });
  });
  await t.rejects(compile(), says(/^graph 'some': .*kernel sigmoid of node 'squash' \(sigmoid\)/s), 'a bind group');
  restore();

  const program = await compile();
  restore = intercept(device, 'createCommandEncoder', (own) => (descriptor?: GPUCommandEncoderDescriptor) => {
    const encoder = own(descriptor);
    intercept(encoder, 'beginComputePass', (begin) => (descriptor?: GPUComputePassDescriptor) => {
      const pass = begin(descriptor);
      let kernel = '';
      intercept(pass, 'setPipeline', (set) => (pipeline: GPUComputePipeline) => {
        kernel = pipeline.label;
        set(pipeline);
      });
      intercept(pass, 'dispatchWorkgroups', (dispatch) => (x: number) => dispatch(/^relu/.test(kernel) ? 65_536 : x));
      return pass;
    });
    return encoder;
  });
  await t.rejects(program.run({ x }), says(/^kernel relu of node 'cut' \(relu\): Dispatch workgroup count/), 'a run');
  restore();
  const { outputs } = await program.run({ x });
  t.ok(
    outputs.y.every((value) => Math.abs(value - 0.5) < 1e-6),
    'the next run is well',
  );
  await backend.close();
  device.destroy();
});

t.test('no memory left', async (t) => {
  const backend = await openBackend({ backend: 'webgpu' });
  // SwiftShader has no block of 1 GiB, though its limits allow for one.
  const huge = backend.allocate({ dtype: 'f32', shape: [2 ** 28] }, 'huge');
  await t.rejects(huge.read(new Float32Array(2 ** 28)), {
    name: 'BackendError',
    message: /^memory for 'huge' \(1073741824 bytes\): out of device memory/,
  });
  const larger = backend.allocate({ dtype: 'f32', shape: [2 ** 28 + 1] }, 'larger');
  await t.rejects(
    larger.load(async () => undefined),
    {
      name: 'BackendError',
      message: /^'larger' takes 1073741828 bytes, a buffer of this device holds 1073741824/,
    },
  );
  await t.rejects(backend.compile(graph(2 ** 28), new Map()), {
    name: 'BackendError',
    message: /^memory for 'some: .*out of device memory/,
  });
  const program = await backend.compile(graph(4), new Map());
  t.same(
    (await program.run({ x: new Float32Array(4) })).outputs.y,
    new Float32Array(4).fill(0.5),
    'the engine goes on',
  );
  await backend.close();
});

t.test('a lost device', async (t) => {
  const lost = { name: 'DeviceLostError', message: /^the WebGPU device was lost: / };
  for (const delay of [0, 1, 5, 20]) {
    const device = await ownDevice();
    const engine = await openEngine({ device });
    const net = await engine.network(tinyModel());
    await net.step(images, labels);
    const bias = await net.read('fc3.bias');
    const calls = [net.step(images, labels), net.forward(images), net.gradients(images, labels), net.read('fc3.bias')];
    for (const call of calls) call.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, delay));
    device.destroy();
    const last = net.step(images, labels);
    await t.rejects(last, lost, `after ${delay} ms`);
    for (const call of calls) await call.catch((error) => t.match(error, lost, 'whatever was under way'));
    await t.rejects(net.read('fc3.bias'), lost, 'a read');
    await t.rejects(net.write('fc3.bias', bias), lost, 'a write');
    await t.rejects(engine.network(tinyModel()), lost, 'a network');
    await t.rejects(engine.compile(graph(8)), lost, 'a program');
    await net.close();
    await engine.close();
  }
  await using engine = await openEngine({ backend: 'webgpu' });
  const net = await engine.network(tinyModel());
  t.ok(Number.isFinite(await (await net.step(images, labels)).loss), 'a new engine in the same process');
});

t.test("a caller's device", async (t) => {
  const device = await ownDevice();
  let gone = false;
  device.lost.then(() => {
    gone = true;
  });
  const destroyed = t.capture(device, 'destroy');
  for (let i = 0; i < 2; i++) {
    await using engine = await openEngine({ device });
    t.equal(engine.info.name, 'webgpu', 'a device means WebGPU');
    const net = await engine.network(tinyModel());
    await net.step(images, labels);
  }
  t.same([destroyed(), gone], [[], false], 'is never destroyed');
  const buffer = device.createBuffer({ size: 16, usage: 8 });
  device.queue.writeBuffer(buffer, 0, new Float32Array(4));
  await device.queue.onSubmittedWorkDone();
  t.notOk(gone, 'and goes on working');
});
