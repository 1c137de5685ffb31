/**
 * `dist/llmp.js`. `llmp check` comes from a bundle of its own with V8's code cache beside it, both made by the build:
 * editors and hooks call it all the time, and most of its time was compiling. Anything else runs the whole bundle.
 * A Node that did not build it keeps a cache of its own where it can (≥ 22.1), and compiles anew where it cannot.
 */
import { readFileSync } from "node:fs";
import * as module from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

type Fast = (argv: readonly string[]) => number | undefined;

const folder = path.dirname(fileURLToPath(import.meta.url));
const argv = process.argv.slice(2);
const done = /^(check|--version|-V)$/.test(argv[0] ?? "") ? quick()(argv) : undefined;
if (done !== undefined) process.exitCode = done;
else {
  keepCompiled();
  // The name is built so that the bundler leaves it alone.
  await import(new URL("./cli.js", import.meta.url).href);
}

function quick(): Fast {
  const filename = path.join(folder, "check.cjs");
  const require = module.createRequire(filename);
  const cachedData = read(path.join(folder, `check.${process.versions.v8}-${process.arch}.cache`));
  if (cachedData === undefined) {
    keepCompiled();
    return (require(filename) as { fast: Fast }).fast;
  }
  const script = new Script(module.Module.wrap(readFileSync(filename, "utf8")), { filename, cachedData });
  const made = { exports: {} as { fast: Fast } };
  script.runInThisContext()(made.exports, require, made, filename, folder);
  return made.exports.fast;
}

function keepCompiled(): void {
  const { enableCompileCache } = module as { enableCompileCache?: () => unknown };
  if (process.env.NODE_DISABLE_COMPILE_CACHE === undefined) enableCompileCache?.();
}

function read(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
