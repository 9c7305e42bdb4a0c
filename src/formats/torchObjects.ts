/** What PyTorch's pickles name: storages, tensors made of them, and the few globals that a state_dict needs (torch/_utils.py). */

import type { PickleRules } from './pickle.js';
import { numpyGlobals } from './pickledArrays.js';
import {
  countsOf,
  type Fail,
  isCount,
  itemsOf,
  PickleGlobal,
  PickleList,
  PickleObject,
  type PickleValue,
  textOf,
} from './pickleValues.js';

/** An element type: its name as safetensors has it, and the bytes of one element. */
export interface TorchType {
  readonly dtype: string;
  readonly bytes: number;
}

/** By torch's name of the type; of the storage class; and as safetensors has it. */
const types: readonly (readonly [name: string, storage: string, dtype: string, bytes: number])[] = [
  ['float32', 'Float', 'F32', 4],
  ['float64', 'Double', 'F64', 8],
  ['float16', 'Half', 'F16', 2],
  ['bfloat16', 'BFloat16', 'BF16', 2],
  ['uint8', 'Byte', 'U8', 1],
  ['int8', 'Char', 'I8', 1],
  ['int16', 'Short', 'I16', 2],
  ['int32', 'Int', 'I32', 4],
  ['int64', 'Long', 'I64', 8],
  ['bool', 'Bool', 'BOOL', 1],
  ['complex64', 'ComplexFloat', 'C64', 8],
  ['complex128', 'ComplexDouble', 'C128', 16],
];

/** Types that have no storage class of their own. */
const bareTypes: typeof types = [
  ['uint16', '', 'U16', 2],
  ['uint32', '', 'U32', 4],
  ['uint64', '', 'U64', 8],
  ['float8_e4m3fn', '', 'F8_E4M3', 1],
  ['float8_e5m2', '', 'F8_E5M2', 1],
];

class TypeGlobal extends PickleGlobal {
  constructor(
    name: string,
    readonly type: TorchType,
  ) {
    super(name);
  }
}

/** A storage, or a part of one. */
export class TorchStorage extends PickleObject {
  constructor(
    readonly key: string,
    readonly type: TorchType,
    /** Bytes that the pickle says it has. */
    readonly size: number,
    /** Of a view: its first byte within the storage. */
    readonly begin: number,
  ) {
    super();
  }
}

export class TorchTensor extends PickleObject {
  constructor(
    readonly storage: TorchStorage,
    readonly type: TorchType,
    /** In elements, as the strides are. */
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    super();
  }
}

/** The type of storages that do not know the one of their elements. */
const untyped: TorchType = { dtype: 'U8', bytes: 1 };

const globals: ReadonlyMap<string, PickleGlobal> = new Map(
  [
    ...types.flatMap(([name, storage, dtype, bytes]) => [
      new TypeGlobal(`torch.${name}`, { dtype, bytes }),
      new TypeGlobal(`torch.${storage}Storage`, { dtype, bytes }),
    ]),
    ...bareTypes.map(([name, , dtype, bytes]) => new TypeGlobal(`torch.${name}`, { dtype, bytes })),
    ...['torch.storage.UntypedStorage', 'torch.storage._UntypedStorage', 'torch.UntypedStorage'].map(
      (name) => new TypeGlobal(name, untyped),
    ),
    new PickleGlobal('torch._utils._rebuild_tensor', tensorOf),
    new PickleGlobal('torch._utils._rebuild_tensor_v2', tensorOf),
    new PickleGlobal('torch._utils._rebuild_tensor_v3', ([storage, offset, shape, strides, , , type], fail) => {
      if (!(type instanceof TypeGlobal)) throw fail('expected a type');
      return tensorOf([storage, offset, shape, strides], fail, type.type);
    }),
    new PickleGlobal('torch._utils._rebuild_parameter', tensorItself),
    new PickleGlobal('torch._utils._rebuild_parameter_with_state', tensorItself),
    // A tensor with attributes: the function that makes it, its class, the arguments, the attributes.
    new PickleGlobal('torch._tensor._rebuild_from_type_v2', ([make, , args], fail) => {
      const items = itemsOf(args);
      const known = make instanceof PickleGlobal && make.name.startsWith('torch._utils.');
      if (!known || !make.call || !items) throw fail('expected a function that makes tensors, and its arguments');
      return make.call(items, fail);
    }),
    new PickleGlobal('torch.Tensor'),
    new PickleGlobal('torch.nn.parameter.Parameter', tensorItself),
    new PickleGlobal('torch.Size', ([sizes]) => new PickleList([...(itemsOf(sizes ?? null) ?? [])], 'tuple')),
    new PickleGlobal('torch.device', () => null),
  ].map((global) => [global.name, global]),
);

function tensorOf(
  [storage, offset, shape, strides]: readonly PickleValue[],
  fail: Fail,
  type?: TorchType,
): TorchTensor {
  const sizes = countsOf(shape);
  const steps = countsOf(strides);
  if (!(storage instanceof TorchStorage) || !isCount(offset) || !sizes || steps?.length !== sizes.length) {
    throw fail('expected a storage, an offset, sizes and as many strides');
  }
  return new TorchTensor(storage, type ?? storage.type, offset, sizes, steps);
}

function tensorItself([tensor]: readonly PickleValue[], fail: Fail): TorchTensor {
  if (!(tensor instanceof TorchTensor)) throw fail('expected a tensor');
  return tensor;
}

/**
 * A storage from its persistent id: ('storage', class, key, where it was, elements), in the older layout with a sixth item, which
 * is None or (key, first element, elements) of a view.
 */
function storageOf(id: PickleValue, fail: Fail): TorchStorage {
  const [kind, global, key, , count, view] = itemsOf(id) ?? [];
  const name = textOf(key ?? null);
  if (textOf(kind ?? null) !== 'storage' || !(global instanceof TypeGlobal) || name === undefined || !isCount(count)) {
    throw fail('a persistent id that is no storage');
  }
  const { type } = global;
  const [, first, length] = itemsOf(view ?? null) ?? [null, 0, count];
  if (!isCount(first) || !isCount(length) || first + length > count) throw fail(`a view outside of storage '${name}'`);
  return new TorchStorage(name, type, length * type.bytes, first * type.bytes);
}

export const torchRules: PickleRules = {
  global: (name) => globals.get(name) ?? numpyGlobals.get(name),
  persistent: storageOf,
  advice: 'Save the parameters of the model alone: torch.save(model.state_dict(), FILE)',
};
