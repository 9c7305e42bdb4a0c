import type { Peer } from '../implementation.js';
import { openOnnxruntimeNode } from './onnxruntimeNode.js';
import { openOnnxruntimeWeb } from './onnxruntimeWeb.js';
import { openPytorch } from './pytorch.js';

/** The peers that compute on the CPU, as we do. */
export const peers: readonly Peer[] = [
  { name: 'onnxruntime-node', open: openOnnxruntimeNode },
  { name: 'onnxruntime-web', open: openOnnxruntimeWeb },
  { name: 'pytorch', open: openPytorch },
];
