/** `MatMul` or `Conv` and the `Add` of a bias behind it, which exporters write apart, as the one layer that they are. */
import type { Structure, StructureNode } from './structure.js';

/** The structure with each such pair in the first one's place: it has the bias as its third input then. */
export function withFusedBiases(structure: Structure): Structure {
  const { nodes, outputs } = structure;
  const readers = new Map<string, number>();
  for (const name of [...nodes.flatMap((node) => node.inputs), ...outputs]) {
    readers.set(name, (readers.get(name) ?? 0) + 1);
  }
  const makers = new Map(nodes.flatMap((node, i) => node.outputs.map((output) => [output, i] as const)));
  const fused: (StructureNode | undefined)[] = [...nodes];
  for (const [i, add] of nodes.entries()) {
    if (add.op !== 'Add' || add.inputs.length !== 2) continue;
    for (const [sum, bias] of [add.inputs, [...add.inputs].reverse()]) {
      const at = makers.get(sum);
      const product = at === undefined || at >= i ? undefined : fused[at];
      if (at === undefined || !product || readers.get(sum) !== 1 || !isBias(structure, product, bias)) continue;
      fused[at] = { ...product, inputs: [...product.inputs, bias], outputs: add.outputs };
      fused[i] = undefined;
      break;
    }
  }
  return { ...structure, nodes: fused.filter((node) => node !== undefined) };
}

/** Whether a tensor has one number for each output of a product that has no bias yet, in the shape that broadcasts so. */
function isBias({ tensors }: Structure, product: StructureNode, bias: string): boolean {
  const weight = tensors.get(product.inputs[1] ?? '');
  const shape = tensors.get(bias);
  if (!weight || !shape || product.inputs.length !== 2 || product.outputs.length !== 1) return false;
  const isFlat = product.op === 'MatMul' && weight.length === 2;
  if (!isFlat && !(product.op === 'Conv' && weight.length === 4)) return false;
  const wanted = isFlat ? [1, weight[1]] : [1, weight[0], 1, 1];
  const padded = [...Array.from({ length: Math.max(0, wanted.length - shape.length) }, () => 1), ...shape];
  return padded.length === wanted.length && padded.every((extent, axis) => extent === wanted[axis]);
}
