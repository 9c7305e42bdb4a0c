/** Where files lie that can be made again. Node's modules are imported on use, so that a page can import this file. */

/** `tandem` in the user's cache folder ($XDG_CACHE_HOME, by default ~/.cache); undefined where there are no files. */
export async function userCacheFolder(): Promise<string | undefined> {
  if (!globalThis.process?.versions?.node) return undefined;
  const [{ homedir }, { isAbsolute, join }] = await Promise.all([import('node:os'), import('node:path')]);
  const given = process.env.XDG_CACHE_HOME;
  // The XDG Base Directory Specification: paths that are not absolute are to be ignored.
  return join(given && isAbsolute(given) ? given : join(homedir(), '.cache'), 'tandem');
}
