/** Bundles and runs the long fuzzer (test/fuzz/long); `npm run fuzz -- --seconds 600`. What it finds lies in reports/fuzz. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { build } from "esbuild";

const out = "node_modules/.cache/fuzz.mjs";
await build({
  entryPoints: ["test/fuzz/long/main.ts"],
  outfile: out,
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  logLevel: "warning",
});
// A RAM disk, where there is one, spares the disk a write for each input.
const env = existsSync("/dev/shm") ? { ...process.env, TMPDIR: "/dev/shm" } : process.env;
process.exitCode = spawnSync(process.execPath, [out, ...process.argv.slice(2)], { stdio: "inherit", env }).status ?? 1;
