/**
 * What torch.save writes (torch/serialization.py). Since PyTorch 1.6 a zip archive: 'NAME/data.pkl', a pickle whose storages are
 * persistent ids, 'NAME/data/KEY' with the bytes of each, and 'NAME/byteorder'. Before, pickles one after another: a magic number,
 * the protocol's version, facts about the machine, the object, the keys of its storages; then, for each key, the number of its
 * elements in eight bytes and the elements, little endian.
 */
import { FileError } from '../errors.js';
import { elements, formatShape } from '../ops/define.js';
import { type ByteSource, readBytes } from './byteSource.js';
import { type PickleRules, readPickle } from './pickle.js';
import { pickledTensors, stem } from './pickledTensors.js';
import { latin1, PickleInput } from './pickleInput.js';
import { type Fail, itemsOf, PickleDict, PickleObject, type PickleValue, textOf } from './pickleValues.js';
import { countElements } from './shapes.js';
import { overlaps, span, stridedReader } from './strided.js';
import { isFloatType, type StoredTensor, type TensorFile, tensorFile } from './tensorFile.js';
import { TorchStorage, TorchTensor, torchRules } from './torchObjects.js';
import { readZip, type ZipEntry } from './zip.js';

/** 0x1950a86a20f9469cfc6c as a pickle, behind its protocol: LONG1, ten bytes, STOP. */
const legacyMagic = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.';
const legacyProtocol = 1001;
/** Longest text in an archive that says one word. */
const wordBytes = 32;

/** Under which of its keys a checkpoint keeps the state_dict of a model. */
const stateKeys = ['state_dict', 'model_state_dict', 'model'];

/** Where the bytes of a storage are. */
interface Located {
  readonly source: ByteSource;
  readonly begin: number;
  readonly size: number;
  readonly bigEndian: boolean;
}

/**
 * The tensors of a state_dict by its keys; those of nested dictionaries by keys that a dot joins. Of a checkpoint that keeps one
 * dictionary of tensors under 'state_dict', 'model_state_dict' or 'model' these alone are taken, under the keys that they have there.
 *
 * @throws FileError naming the file and the entry, tensor or byte that is wrong; for a pickled model, the class that it would take
 */
export async function readTorch(source: ByteSource): Promise<TensorFile> {
  const head = await readBytes(source, 0, Math.min(16, source.size));
  return isLegacyTorch(head) ? readLegacy(source) : torchFile(source, await readZip(source));
}

/** Whether the first bytes of a file are those of the older layout. */
export function isLegacyTorch(head: Uint8Array): boolean {
  return head[0] === 0x80 && latin1(head.subarray(2, 2 + legacyMagic.length)) === legacyMagic;
}

/** Whether an archive is one of torch.save. */
export function isTorch(entries: readonly ZipEntry[]): boolean {
  return pickleOf(entries) !== undefined;
}

function pickleOf(entries: readonly ZipEntry[]): ZipEntry | undefined {
  return entries.find(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
}

/** The same for an archive whose entries have been found. */
export async function torchFile(source: ByteSource, entries: readonly ZipEntry[]): Promise<TensorFile> {
  const pickle = pickleOf(entries);
  if (!pickle) throw new FileError(`${source.label} is no file of torch.save: it has no entry data.pkl`);
  const folder = pickle.name.slice(0, pickle.name.lastIndexOf('/') + 1);
  const byName = new Map(entries.map((entry) => [entry.name, entry.source]));
  if (byName.has(`${folder}constants.pkl`)) {
    throw new FileError(`${source.label} is a program of TorchScript, which is not loaded. ${torchRules.advice}`);
  }
  const order = byName.get(`${folder}byteorder`);
  const bigEndian = order !== undefined && (await word(order)) === 'big';
  const root = await readPickle(new PickleInput(pickle.source), torchRules);
  await pickle.source.close();
  return torchTensors(source, root, pickle.source, ({ key }) => {
    const found = byName.get(`${folder}data/${key}`);
    return found && { source: found, begin: 0, size: found.size, bigEndian };
  });
}

async function word(source: ByteSource): Promise<string> {
  if (source.size > wordBytes) throw new FileError(`${source.label} has ${source.size} bytes, expected one word`);
  return latin1(await readBytes(source, 0, source.size));
}

async function readLegacy(source: ByteSource): Promise<TensorFile> {
  const input = new PickleInput(source);
  const types = new Map<string, TorchStorage>();
  const rules: PickleRules = {
    ...torchRules,
    persistent(id, fail) {
      const storage = torchRules.persistent?.(id, fail);
      if (storage instanceof TorchStorage) types.set(storage.key, storage);
      return storage ?? null;
    },
  };
  await readPickle(input, rules); // the magic number
  const protocol = await readPickle(input, rules);
  if (protocol !== legacyProtocol) {
    throw new FileError(`${source.label}: version ${String(protocol)} of torch.save, known is ${legacyProtocol}`);
  }
  await readPickle(input, rules); // sizes of the machine's integers
  const root = await readPickle(input, rules);
  const keys = itemsOf(await readPickle(input, rules));
  if (!keys) throw new FileError(`${source.label}: the keys of its storages are no list`);
  const located = new Map<string, Located>();
  let at = input.position;
  for (const item of keys) {
    const key = textOf(item);
    const type = key === undefined ? undefined : types.get(key)?.type;
    if (key === undefined || !type) throw new FileError(`${source.label}: a storage that no tensor has`);
    const count = Number(new DataView((await readBytes(source, at, 8)).buffer).getBigUint64(0, true));
    const size = count * type.bytes;
    if (!(size <= source.size - at - 8)) {
      throw new FileError(
        `${source.label}: storage '${key}' would take ${size} bytes from byte ${at + 8} on, the file has ${source.size}`,
      );
    }
    located.set(key, { source, begin: at + 8, size, bigEndian: false });
    at += 8 + size;
  }
  return torchTensors(source, root, source, ({ key }) => located.get(key));
}

function torchTensors(
  source: ByteSource,
  root: PickleValue,
  pickle: ByteSource,
  locate: (storage: TorchStorage) => Located | undefined,
): TensorFile {
  const tensor = (object: PickleObject, fail: Fail) =>
    object instanceof TorchTensor ? storedTensor(object, locate(object.storage), fail) : undefined;
  const found = pickledTensors(stateOf(root), stem(source.label), { source: pickle, separator: '.', tensor });
  return tensorFile(source, found);
}

/** What a checkpoint keeps under the key for a state_dict, when there is one such key; else the whole. */
function stateOf(root: PickleValue): PickleValue {
  if (!(root instanceof PickleDict)) return root;
  const states = stateKeys.flatMap((key) => {
    const value = root.entries.get(key);
    const isState =
      value instanceof PickleDict && [...value.entries.values()].some((item) => item instanceof PickleObject);
    return isState ? [value] : [];
  });
  return states.length === 1 ? states[0] : root;
}

function storedTensor(tensor: TorchTensor, located: Located | undefined, fail: Fail): StoredTensor {
  const { storage, type, offset, shape, strides } = tensor;
  if (!located) throw fail(`the file has no storage '${storage.key}'`);
  if (storage.begin + storage.size > located.size) {
    throw fail(`storage '${storage.key}' should have ${storage.begin + storage.size} bytes, it has ${located.size}`);
  }
  const room = Math.floor(storage.size / type.bytes);
  countElements(shape, room, (what) => fail(`${what}, or its elements share memory: save a .contiguous() copy`));
  if (overlaps(tensor)) throw fail('its elements share memory: save a .contiguous() copy');
  if (elements(shape) > 0 && offset + span(tensor) > room) {
    throw fail(
      `${formatShape(shape)} with strides ${formatShape(strides)} from element ${offset} on leaves its storage of ${room}`,
    );
  }
  const { dtype } = type;
  if (!isFloatType(dtype)) return { shape, dtype };
  const begin = located.begin + storage.begin + offset * type.bytes;
  const { source, bigEndian } = located;
  return { shape, dtype, load: stridedReader(source, { begin, dtype, bigEndian, shape, strides }) };
}
