/** Writes the table of published layouts beside the planner's own into docs/PLANNER.md: `node bench/published.mjs`. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { loadSearch } from "./search-problem.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const out = path.join(root, "node_modules/.cache/bench-published.mjs");
await build({
  entryPoints: [path.join(root, "test/planner-search/published.ts")],
  bundle: true,
  platform: "node",
  format: "esm",
  outfile: out,
  logLevel: "error",
});
const { published, fileOf } = await import(out);
const { run } = await loadSearch();

const layout = ({ candidate: { parallel: p } }) =>
  [
    p.tensor > 1 ? `TP ${p.tensor}` : "",
    p.context > 1 ? `CP ${p.context}` : "",
    p.pipeline > 1 ? `PP ${p.pipeline}${p.virtual > 1 ? `×${p.virtual}` : ""}` : "",
    p.data > 1 ? `DP ${p.data}` : "",
  ]
    .filter((x) => x !== "")
    .join(" · ");
const rows = published.map((p) => {
  const [theirs, ours] = [
    [p.parallel, p.recompute],
    ["auto", "auto"],
  ].map(([parallel, recompute]) => run(fileOf(p, parallel, recompute)).front[0]);
  const cells = [theirs, ours].flatMap((c) => [layout(c), c.stepSeconds.toPrecision(3)]);
  return `| ${[p.name, ...cells].join(" | ")} |`;
});
const file = path.join(root, "docs/PLANNER.md");
const head =
  "| model and machines | published layout | predicted | the planner's | predicted |\n|---|---|---|---|---|\n";
const page = readFileSync(file, "utf8");
const start = page.indexOf(head);
const end = page.indexOf("\n\n", start);
writeFileSync(file, `${page.slice(0, start)}${head}${rows.join("\n")}${page.slice(end)}`);
console.log(rows.join("\n"));
