/** Every example by every target: ms to emit (written or refused), and the ratio to the time that planning the example took, medians of one run. `node bench/emit.mjs [RUNS]` */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const runs = Number(process.argv[2] ?? 5);
mkdirSync(path.join(root, "node_modules/.cache"), { recursive: true });
const folder = mkdtempSync(path.join(root, "node_modules/.cache/bench-"));
const out = path.join(folder, "bench.mjs");
const entry = path.join(folder, "entry.ts");
const from = (file) => JSON.stringify(path.join(root, "src", file));
writeFileSync(
  entry,
  [
    `export { parse } from ${from("parser/index.ts")};`,
    `export { check } from ${from("checker/index.ts")};`,
    `export { bundledHardware } from ${from("hardware/index.ts")};`,
    `export { plan } from ${from("planner/index.ts")};`,
    `export { emit, emitters } from ${from("emit/index.ts")};`,
  ].join("\n"),
);
await build({
  entryPoints: [entry],
  outfile: out,
  bundle: true,
  packages: "external",
  platform: "node",
  format: "esm",
  logLevel: "error",
});
const { bundledHardware, check, emit, emitters, parse, plan } = await import(pathToFileURL(out).href);
rmSync(folder, { recursive: true });

process.chdir(root);
const host = {
  read: (file) => (statSync(file, { throwIfNoEntry: false })?.isFile() ? readFileSync(file, "utf8") : undefined),
  size: (file) => statSync(file, { throwIfNoEntry: false })?.size,
};
const hardware = bundledHardware();
const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];
const timed = async (work) => {
  const start = process.hrtime.bigint();
  const value = await work();
  return [Number(process.hrtime.bigint() - start) / 1e6, value];
};

const rows = [];
for (const file of readdirSync("examples").filter((f) => f.endsWith(".llmp"))) {
  const source = { path: `examples/${file}`, text: readFileSync(`examples/${file}`, "utf8") };
  const checked = check(parse(source).value, host).value;
  const planning = [];
  let made;
  for (let i = 0; i < runs; i++) {
    const [ms, outcome] = await timed(() => plan(checked, hardware));
    planning.push(ms);
    made = outcome.value;
  }
  for (const { name: target } of emitters) {
    const emitting = [];
    let outcome;
    for (let i = 0; i < runs; i++) {
      const [ms, value] = await timed(() => emit(target, made));
      emitting.push(ms);
      outcome = value;
    }
    const [plan_ms, emit_ms] = [median(planning), median(emitting)];
    // The first emission of a target loads what it needs: what a user waits for once.
    rows.push({
      example: file,
      target,
      files: outcome.value?.length ?? 0,
      plan_ms,
      emit_ms,
      first_ms: emitting[0],
      ratio: emit_ms / plan_ms,
    });
  }
}
const round = (value) => Number(value.toPrecision(3));
console.table(
  rows.map((r) => ({
    ...r,
    plan_ms: round(r.plan_ms),
    emit_ms: round(r.emit_ms),
    first_ms: round(r.first_ms),
    ratio: round(r.ratio),
  })),
);
// A refusal costs next to nothing: the summary is of what is written.
const written = rows.filter((r) => r.files > 0);
const worst = (key) => written.reduce((a, b) => (b[key] > a[key] ? b : a));
console.log(
  JSON.stringify(
    {
      node: process.version,
      pairs: rows.length,
      written: written.length,
      emit_ms: { median: median(written.map((r) => r.emit_ms)), most: worst("emit_ms") },
      first_ms: worst("first_ms").first_ms,
      ratio: { median: median(written.map((r) => r.ratio)), most: worst("ratio").ratio },
    },
    undefined,
    2,
  ),
);
