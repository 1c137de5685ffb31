/** `llmp check` of an example, whole process, over bare `node -e 0`: medians of runs taken in turn. `node bench/startup.mjs [FILE] [RUNS]` */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const file = process.argv[2] ?? "examples/shakespeare.llmp";
const runs = Number(process.argv[3] ?? 30);
const time = (args) => {
  const start = process.hrtime.bigint();
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "ignore" });
  if (status !== 0) throw new Error(`node ${args.join(" ")} ended with ${status}`);
  return Number(process.hrtime.bigint() - start) / 1e6;
};
const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];
const [bare, check] = [[], []];
for (let i = -3; i < runs; i++) {
  const a = time(["-e", "0"]);
  const b = time([path.join(root, "dist/llmp.js"), "check", file]);
  if (i >= 0) {
    bare.push(a);
    check.push(b);
  }
}
console.log(
  JSON.stringify(
    {
      node: process.version,
      file,
      runs,
      bare_ms: median(bare),
      check_ms: median(check),
      ratio: median(check) / median(bare),
    },
    undefined,
    2,
  ),
);
