/**
 * AlexNet at its full size within the limits that every WebGPU device has (buffers of 256 MiB, bindings of 128 MiB, 65,535 workgroups a
 * dimension, 8 storage buffers, 256 invocations and 16 KiB of workgroup memory). Lowering is pure and needs no device; kernels are
 * judged by the validation of Dawn's null backend, a device that has those limits and computes nothing.
 */
import t, { type Test } from 'tap';
import { create } from 'webgpu';
import { GpuDevice } from '../src/backends/webgpu/device.js';
import { algorithmNames, lower } from '../src/backends/webgpu/lower/lower.js';
import { type Dispatch, defaultLimits, type Limits } from '../src/backends/webgpu/lower/program.js';
import { inferenceGraph, stepGraph } from '../src/engine/graphs.js';
import type { Graph } from '../src/graph/graph.js';
import { preset } from '../src/models/presets.js';
import { buffersThatOverlap, faultOf, poolsOf } from './support/dispatches.js';

const mebibyte = 2 ** 20;
const batches = [1, 128];
/** Held: what is asked of a device is never answered once its GPU has been collected. */
const nullGpu = create(['backend=null']);

function trainingGraph(model: ReturnType<typeof preset>, batch: number): Graph {
  const variables = inferenceGraph(model, batch).values.filter(({ kind }) => kind === 'variable');
  return stepGraph(
    model,
    batch,
    variables.map(({ name }) => name),
    model.recipe.optimizer ?? {},
  );
}

/** All dispatches of a graph, after everything that can be known of them without a device has been checked. */
function checked(t: Test, label: string, graph: Graph, algorithms: Readonly<Record<string, string>> = {}) {
  const lowered = lower(graph, { limits: defaultLimits, algorithms });
  const pools = poolsOf(graph, lowered, defaultLimits);
  const dispatches = [...lowered.preparation, ...lowered.dispatches];
  for (const dispatch of dispatches) {
    const fault = faultOf(dispatch, lowered, pools, defaultLimits);
    if (fault) t.fail(`${label}: ${dispatch.kernel} of '${dispatch.node.name}': ${fault}`);
  }
  for (const { name, bytes } of lowered.buffers) {
    if (bytes > defaultLimits.maxBufferSize) t.fail(`${label}: '${name}' takes ${bytes} bytes`);
  }
  for (const bytes of pools.bytes) {
    if (bytes > defaultLimits.maxBufferSize) t.fail(`${label}: a pool takes ${bytes} bytes`);
  }
  const overlaps = buffersThatOverlap(lowered, pools);
  if (overlaps.length > 0) t.fail(`${label}: ${overlaps} share memory`);
  return dispatches;
}

async function nullDevice(): Promise<GpuDevice> {
  const adapter = await nullGpu.requestAdapter();
  const gpu = await adapter?.requestDevice();
  if (!gpu) throw new Error('Dawn has no null backend');
  return new GpuDevice(gpu, defaultLimits, true);
}

t.test('the null device has the default limits', async (t) => {
  const device = await nullDevice();
  for (const [name, limit] of Object.entries(defaultLimits))
    t.equal(device.gpu.limits[name as keyof Limits], limit, name);
  await t.rejects(
    device.pipeline('mean', { LANES: 512, SUBGROUPS: false }, "node 'loss'"),
    { name: 'BackendError', message: /^node 'loss': kernel mean does not compile: .*512/ },
    'and keeps to them',
  );
  await device.close();
});

for (const name of ['caffe-alexnet', 'alexnet-2012', 'alexnet-owt']) {
  t.test(`${name}: every layer, forward, backward and update`, async (t) => {
    const kernels = new Map<string, Dispatch>();
    for (const batch of batches) {
      const inference = inferenceGraph(preset(name), batch);
      const training = trainingGraph(preset(name), batch);
      const phases = new Map<string, Set<string>>();
      for (const [mode, graph] of Object.entries({ inference, training })) {
        const label = `${mode} at batch ${batch}`;
        for (const dispatch of checked(t, label, graph)) {
          const { kernel, constants, node } = dispatch;
          kernels.set(`${kernel} ${JSON.stringify(constants)}`, dispatch);
          if (mode === 'training') phases.set(node.layer, (phases.get(node.layer) ?? new Set()).add(node.phase));
        }
      }
      for (const layer of ['conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8']) {
        t.same(phases.get(layer), new Set(['forward', 'backward', 'update']), `${layer} at batch ${batch}`);
      }
      for (const node of training.nodes) {
        for (const algorithm of algorithmNames(training, node, defaultLimits).slice(1)) {
          const label = `${node.name} by ${algorithm} at batch ${batch}`;
          for (const dispatch of checked(t, label, training, { [node.name]: algorithm })) {
            kernels.set(`${dispatch.kernel} ${JSON.stringify(dispatch.constants)}`, dispatch);
          }
        }
      }
    }
    const device = await nullDevice();
    t.teardown(() => device.close());
    for (const { kernel, constants, node } of kernels.values()) {
      await device.pipeline(kernel, constants, `node '${node.name}'`);
    }
    t.ok(kernels.size > 20, `${kernels.size} kernels are valid`);
  });
}

t.test('the weight of fc6 is cut by its rows in all three passes', async (t) => {
  const graph = trainingGraph(preset('caffe-alexnet'), 128);
  const fc6 = (limits: Limits) =>
    lower(graph, { limits }).dispatches.filter(
      ({ kernel, node }) => node.name.startsWith('fc6') && kernel === 'linear',
    );
  const whole = fc6({ ...defaultLimits, maxStorageBufferBindingSize: 2 ** 28 });
  t.same(
    whole.map(({ node }) => node.op.name),
    ['linear', 'linearDataGradient', 'linearWeightGradient'],
  );
  const parts = fc6(defaultLimits);
  t.equal(parts.length, 6);
  const largest = parts.map(({ bindings }) => Math.max(...bindings.map(({ bytes }) => bytes ?? 0)));
  t.same(largest, Array(6).fill(72 * mebibyte), 'two halves each');
});
