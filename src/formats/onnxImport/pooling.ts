/** Poolings of ONNX. */
import { computed, type Importer, type NodeScope } from './operands.js';
import { expectImages, kernelOf, windowsOf } from './windows.js';

function poolAttributes(scope: NodeScope) {
  const x = expectImages(scope, 0);
  const { kernel, stride, padding, dilation } = windowsOf(scope, kernelOf(scope), x);
  if (dilation.some((step) => step !== 1)) {
    throw scope.fail(`attribute 'dilations' is [${dilation.join(', ')}], pooling windows with gaps cannot be imported`);
  }
  const rounding = scope.flag('ceil_mode') ? ('ceil' as const) : ('floor' as const);
  return { kernel, stride, padding, rounding };
}

const maxPool: Importer = (scope) => {
  // How the second output, which is not computed, counts places.
  scope.ignore('storage_order');
  return [computed(scope.g.maxPool(scope.value(0), poolAttributes(scope), scope.options()))];
};

const averagePool: Importer = (scope) => {
  const count = scope.flag('count_include_pad') ? ('all' as const) : ('inside' as const);
  return [computed(scope.g.avgPool(scope.value(0), { ...poolAttributes(scope), count }, scope.options()))];
};

const globalAveragePool: Importer = (scope) => {
  expectImages(scope, 0);
  return [computed(scope.g.adaptiveAvgPool(scope.value(0), { size: 1 }, scope.options()))];
};

export const poolingImporters: readonly (readonly [string, Importer])[] = [
  ['MaxPool', maxPool],
  ['AveragePool', averagePool],
  ['GlobalAveragePool', globalAveragePool],
];
