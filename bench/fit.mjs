// Fits the planner's physics on published runs and says how well it carries over to publishers that were left out.
//   node bench/fit.mjs RUNS.jsonl [--write] [--fast]
// --write: data files of the planner and the tables of docs/VALIDATION.md. Takes about three minutes.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const runsFile = process.argv[2];
const write = process.argv.includes("--write");
const out = new URL("../.cache/fit-bundle.mjs", import.meta.url);
await build({
  entryPoints: [`${root}src/planner/calibrate/study.ts`],
  bundle: true,
  platform: "node",
  format: "esm",
  outfile: fileURLToPath(out),
  logLevel: "error",
});
const { study } = await import(out.href);
const runs = readFileSync(runsFile, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
const result = study(runs, { leaveOut: !process.argv.includes("--fast"), log: (text) => console.error(text) });
console.log(result.table);
console.log(`\n${result.summary}`);
if (write) {
  const json = (value) => `${JSON.stringify(value, null, 2)}\n`;
  writeFileSync(`${root}src/planner/calibrate/data/physics.json`, json(result.physics));
  writeFileSync(`${root}src/catalog/engines/stacks/data/fitted.json`, json(result.stacks));
  if (result.residuals) {
    writeFileSync(`${root}src/planner/calibrate/data/residuals.json`, json(result.residuals));
    const page = `${root}docs/VALIDATION.md`;
    const filled = (text, name, inner) =>
      text.replace(
        new RegExp(`(<!-- ${name} -->\\n)[^]*?(<!-- /${name} -->)`),
        (_, open, close) => `${open}\n${inner}\n\n${close}`,
      );
    const text = filled(readFileSync(page, "utf8"), "table", result.table);
    writeFileSync(page, filled(text, "summary", result.summary));
  }
}
