import { Command } from 'commander';
import { wholeNumber } from './lib/options.js';
import { print } from './lib/output.js';
import { startServer } from './lib/server.js';

/** `tandem serve` */
export function serveCommand(): Command {
  return new Command('serve')
    .description('a page that runs the benchmark, the verification and a first training in a browser of this machine')
    .option('--port <n>', 'on 127.0.0.1; 0 takes any that is free', wholeNumber(0), 8080)
    .action(async ({ port }: { port: number }) => {
      const { url } = await startServer(port);
      print(`the page for a browser on this machine: ${url}`);
      print(`the library, to import there:           ${url}dist/lib/index.js`);
      print('Ctrl-C ends it');
    });
}
