/**
 * NumPy's .npy format, versions 1 to 3 (numpy.lib.format): a magic string, the version, the length of a header, the header as the
 * literal of a Python dictionary { 'descr', 'fortran_order', 'shape' }, and the elements. An array of objects is a pickle; what
 * it holds of arrays is read where it stands, as in the bvlc_alexnet.npy of caffe-to-tensorflow: { 'conv1': [weights, biases], … }.
 */
import { FileError } from '../errors.js';
import { formatShape } from '../ops/define.js';
import { type ByteSource, readBytes } from './byteSource.js';
import { npyMagic } from './npyWriter.js';
import { numpyType } from './numpyTypes.js';
import { type PickleRules, readPickle } from './pickle.js';
import { numpyGlobals } from './pickledArrays.js';
import { pickledTensors, stem } from './pickledTensors.js';
import { latin1, PickleInput } from './pickleInput.js';
import type { Fail } from './pickleValues.js';
import { type PythonValue, parsePython } from './pythonLiteral.js';
import { columnMajorStrides, countElements, rowMajorStrides } from './shapes.js';
import { stridedReader } from './strided.js';
import { isFloatType, type StoredTensor, type TensorFile, tensorFile } from './tensorFile.js';

/** Longest header that is believed; NumPy itself stops at 10,000 unless told otherwise. */
const longestHeader = 2 ** 16;

const rules: PickleRules = {
  global: (name) => numpyGlobals.get(name),
  advice: 'Save the arrays alone: numpy.savez(FILE, **arrays)',
};

/** Whether the first bytes of a file are those of an .npy file. */
export function isNpy(head: Uint8Array): boolean {
  return latin1(head.subarray(0, npyMagic.length)) === npyMagic;
}

/**
 * The one array of a file under the name of the file, 'conv1' for 'conv1.npy'; the arrays of a pickled dictionary under their
 * keys, joined by a slash: 'conv1/0'. Shapes and their order are those of the file.
 *
 * @throws FileError naming the file and the field or byte that is wrong
 */
export async function readNpy(source: ByteSource): Promise<TensorFile> {
  return tensorFile(source, await npyTensors(source, stem(source.label)));
}

/** The tensors of a source that is an .npy file, with a name for the one of a plain array. */
export async function npyTensors(source: ByteSource, name: string): Promise<Map<string, StoredTensor>> {
  const fail: Fail = (what) => new FileError(`${source.label}: ${what}`);
  const { begin, descr, fortran, shape } = await readHeader(source, fail);
  if (/^\|?O\d*$/.test(descr)) {
    const pickle = new PickleInput(source, begin);
    return pickledTensors(await readPickle(pickle, rules), name, { source, separator: '/' });
  }
  const type = numpyType(descr);
  if (!type) throw fail(`arrays of descr ${JSON.stringify(descr.slice(0, 60))} cannot be read`);
  const { dtype, bytes, bigEndian } = type;
  const room = source.size - begin;
  const count = countElements(shape, bytes === 0 ? 0 : Math.floor(room / bytes), fail);
  if (count * bytes !== room) {
    throw fail(`${dtype} ${formatShape(shape)} takes ${count * bytes} bytes, ${room} follow the header`);
  }
  if (!isFloatType(dtype)) return new Map([[name, { shape, dtype }]]);
  const strides = fortran ? columnMajorStrides(shape) : rowMajorStrides(shape);
  return new Map([[name, { shape, dtype, load: stridedReader(source, { begin, dtype, bigEndian, shape, strides }) }]]);
}

interface Header {
  /** Offset of the first element. */
  readonly begin: number;
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

async function readHeader(source: ByteSource, fail: Fail): Promise<Header> {
  const head = await readBytes(source, 0, Math.min(12, source.size));
  if (head.length < 10 || !isNpy(head)) throw fail('is no .npy file: it does not begin with \\x93NUMPY');
  const version = head[6];
  if (version < 1 || version > 3) throw fail(`version ${version}.${head[7]} of the .npy format, known are 1 to 3`);
  const begin = version === 1 ? 10 : 12;
  if (head.length < begin) throw fail('ends within the length of its header');
  const view = new DataView(head.buffer);
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > source.size - begin || length > longestHeader) {
    throw fail(`the header would take ${length} bytes, ${source.size - begin} follow its length`);
  }
  const bytes = await readBytes(source, begin, length);
  const header = parsePython(latin1(bytes));
  if (!(header instanceof Map)) throw fail('the header is no dictionary');
  const descr = header.get('descr');
  const fortran = header.get('fortran_order');
  const shape = header.get('shape');
  if (typeof fortran !== 'boolean') throw fail("the header's 'fortran_order' must be True or False");
  if (!isCounts(shape)) throw fail("the header's 'shape' must be a tuple of integers");
  if (typeof descr !== 'string') throw fail("the header's 'descr' must be a string: arrays of records cannot be read");
  return { begin: begin + length, descr, fortran, shape };
}

function isCounts(value: PythonValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count));
}
