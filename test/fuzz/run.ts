/** node dist/test/fuzz/run.js --cases 10000 [--format NAME] [--seed N]: damaged files for every reader. */
import { parseArgs } from 'node:util';
import { fuzzedFormats } from './formats.js';
import { fuzz } from './fuzz.js';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '10000' },
    format: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const formats = fuzzedFormats.filter(({ name }) => values.format === undefined || name === values.format);
if (formats.length === 0) {
  console.error(`--format must be one of ${fuzzedFormats.map(({ name }) => name).join(', ')}`);
  process.exitCode = 2;
}
for (const format of formats) {
  try {
    const { cases, opened, read, worst } = await fuzz(format, Number(values.cases), Number(values.seed));
    const shares = Object.entries(worst).map(([what, share]) => `${what} ${(100 * share).toFixed()} %`);
    console.log(`${format.name}: ${cases} cases, ${opened} opened, ${read} read; of the bounds: ${shares.join(', ')}`);
  } catch (error) {
    console.error(`${format.name}: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
