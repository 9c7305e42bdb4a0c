import type { Peer } from '../implementation.js';
import { openOnnxruntimeNode } from './onnxruntimeNode.js';
import { openOnnxruntimeWeb, openOnnxruntimeWebGpu } from './onnxruntimeWeb.js';
import { openPytorch, openPytorchCuda } from './pytorch.js';
import { openTfjsWebGpu } from './tfjsWebGpu.js';

/** Those that compute on the CPU, and those on a graphics adapter: each beside ours that do so. */
export const peers: readonly Peer[] = [
  { name: 'onnxruntime-node', open: openOnnxruntimeNode },
  { name: 'onnxruntime-web', open: openOnnxruntimeWeb },
  { name: 'pytorch', open: openPytorch },
  { name: 'tfjs-webgpu', onAdapter: true, open: openTfjsWebGpu },
  { name: 'onnxruntime-web (webgpu)', onAdapter: true, open: openOnnxruntimeWebGpu },
  { name: 'pytorch (cuda)', onAdapter: true, open: openPytorchCuda },
];

/** In Node, and in a browser those that run there too. */
export const peerNames: readonly string[] = peers.map(({ name }) => name);
