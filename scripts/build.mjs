/** Bundles the command line and the library into dist/. Heavy libraries stay outside and are imported when needed. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire, Module } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
/** Small and always needed: bundled. All other dependencies are external. */
const bundled = new Set([
  "chevrotain",
  "commander",
  "fastest-levenshtein",
  "picocolors",
  "@noble/hashes",
  "string-width",
]);
const external = Object.keys(manifest.dependencies ?? {})
  .filter((name) => !bundled.has(name))
  .flatMap((name) => [name, `${name}/*`])
  .concat(["@tensorflow/*"]);

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  external,
  define: { LLMP_VERSION: JSON.stringify(manifest.version) },
  loader: { ".md": "text", ".llmp": "text" },
  legalComments: "none",
  logLevel: "warning",
  // Bundled CommonJS packages call require for Node's own modules.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
};

// Built beside, then put in place: a failed build leaves the old one whole.
const fresh = path.join(root, "node_modules/.cache/llmp-dist");
rmSync(fresh, { recursive: true, force: true });
mkdirSync(fresh, { recursive: true });
await build({
  ...common,
  entryPoints: {
    cli: "src/cli/main.ts",
    // The thread beside the language server.
    "analysis-worker": "src/cli/analysis-worker.ts",
    index: "src/index.ts",
    core: "src/core.ts",
    // What `llmp run` starts in worker threads.
    worker: "src/runtime/parallel/worker.ts",
    // The thread of the WebGPU backend.
    "webgpu-worker": "src/runtime/backend/webgpu-worker.ts",
  },
  outdir: fresh,
  splitting: true,
  minify: true,
  keepNames: false,
  chunkNames: "chunks/[name]-[hash]",
});
await build({
  ...common,
  entryPoints: { llmp: "src/cli/start.ts" },
  outdir: fresh,
  external: ["./cli.js", ...external],
  minify: true,
  banner: { js: "#!/usr/bin/env node" },
});
chmodSync(path.join(fresh, "llmp.js"), 0o755);

// `llmp check`, alone and in one file; V8 compiles it here once, after a run that made it compile what a check needs.
await build({
  ...common,
  entryPoints: { check: "src/cli/fast.ts" },
  outdir: fresh,
  format: "cjs",
  outExtension: { ".js": ".cjs" },
  external: [],
  define: { ...common.define, "import.meta.url": "__url" },
  banner: { js: 'const __url = require("node:url").pathToFileURL(__filename).href;' },
  minify: true,
});
const filename = path.join(fresh, "check.cjs");
const script = new Script(Module.wrap(readFileSync(filename, "utf8")), { filename });
const made = { exports: {} };
script.runInThisContext()(made.exports, createRequire(filename), made, filename, fresh);
made.exports.fast(["check", "--quiet", path.join(root, "examples/shakespeare.llmp")]);
const { v8 } = process.versions;
writeFileSync(path.join(fresh, `check.${v8}-${process.arch}.cache`), script.createCachedData());

const pages = path.join(root, "docs/errors");
if (existsSync(pages)) {
  const texts = readdirSync(pages)
    .filter((f) => /^LLMP\d{4}\.md$/.test(f))
    .sort()
    .map((f) => [f.slice(0, -3), readFileSync(path.join(pages, f), "utf8")]);
  writeFileSync(path.join(fresh, "errors.json"), JSON.stringify(Object.fromEntries(texts)));
}
rmSync(path.join(root, "dist"), { recursive: true, force: true });
renameSync(fresh, path.join(root, "dist"));

// Types are for those who install the package.
if (["pack", "publish"].includes(process.env.npm_command ?? ""))
  execFileSync(process.execPath, [path.join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.types.json"], {
    cwd: root,
  });
