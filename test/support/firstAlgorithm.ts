/** A backend that names only its default algorithms: as a mirror it need not run the others. */
import type { Backend } from '../../src/backends/backend.js';

export function firstAlgorithm(backend: Backend): Backend {
  return {
    info: backend.info,
    allocate: (type, label) => backend.allocate(type, label),
    algorithms: (graph, node) => backend.algorithms(graph, node).slice(0, 1),
    compile: (graph, variables, options) => backend.compile(graph, variables, options),
    close: () => backend.close(),
  };
}
