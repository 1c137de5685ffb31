/** `dist/llmp.js`: turns on Node's cache of compiled code where there is one (≥ 22.1), then runs the bundle. */
import * as module from "node:module";

const { enableCompileCache } = module as { enableCompileCache?: () => unknown };
if (process.env.NODE_DISABLE_COMPILE_CACHE === undefined) enableCompileCache?.();
// The name is built so that the bundler leaves it alone.
await import(new URL("./cli.js", import.meta.url).href);
