/** Parse and check of a 2,000-line file, warm, on one core: ms, ns a token, and the ratio to Chevrotain's bare lexer and parser on the same file. `node bench/parse.mjs` */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(path.join(root, "node_modules/.cache/bench-"));
const out = path.join(folder, "bench.mjs");
const entry = path.join(folder, "entry.ts");
const from = (file) => JSON.stringify(path.join(root, "src", file));
writeFileSync(
  entry,
  `export { parse, theLexer, theParser } from ${from("parser/index.ts")};\nexport { check } from ${from("checker/index.ts")};\n`,
);
await build({ entryPoints: [entry], outfile: out, bundle: true, platform: "node", format: "esm", logLevel: "error" });
const { check, parse, theLexer, theParser } = await import(pathToFileURL(out).href);
rmSync(folder, { recursive: true });

/** The medical example's blocks, again and again under other names. */
const base = readFileSync(path.join(root, "examples/medical-mix.llmp"), "utf8");
const [head, ...rest] = base.split(/(?=^import)/m);
const body = rest
  .join("")
  .replace(/^import.*\n/m, "")
  .replace(/^budget.*\n?/m, "");
let text = `${head}import "std/llama3"\n`;
for (let n = 0; text.split("\n").length < 2000; n++)
  text += body.replace(/\b(web|pubmed|medical|student|careful|p5|base)\b(?!\.|en|\/)/g, `$1_${n}`);
const source = { path: "bench.llmp", text };
const std = readFileSync(path.join(root, "std/llama3.llmp"), "utf8");
const host = { read: (file) => (file === "std/llama3.llmp" ? std : file === source.path ? text : undefined) };
const tokens = theLexer().tokenize(text).tokens.length;

function median(run, times = 40) {
  for (let i = 0; i < 20; i++) run();
  const all = Array.from({ length: times }, () => {
    const start = process.hrtime.bigint();
    run();
    return Number(process.hrtime.bigint() - start) / 1e6;
  });
  return all.sort((a, b) => a - b)[times >> 1];
}

const bare = median(() => {
  const parser = theParser();
  parser.input = theLexer().tokenize(text).tokens;
  parser.file();
});
const ours = median(() => parse(source));
const { value } = parse(source);
const checked = median(() => check(value, host));
const problems = check(value, host).diagnostics.filter((d) => d.severity === "error");
console.log(
  JSON.stringify(
    {
      node: process.version,
      lines: text.split("\n").length,
      tokens,
      errors: problems.length,
      bare_ms: bare,
      parse_ms: ours,
      check_ms: checked,
      parse_and_check_ms: ours + checked,
      parse_ns_per_token: (ours * 1e6) / tokens,
      parse_and_check_ns_per_token: ((ours + checked) * 1e6) / tokens,
      parse_over_bare: ours / bare,
      parse_and_check_over_bare: (ours + checked) / bare,
    },
    undefined,
    2,
  ),
);
