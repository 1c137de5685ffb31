/** grammar/: what is generated from the parser and the schema table, and checked in. `npm run gen`; `--check` only compares. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { railroadPage } from "./railroad.mjs";
import { schemas } from "./schemas.mjs";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
mkdirSync(path.join(root, "node_modules/.cache"), { recursive: true });
const folder = mkdtempSync(path.join(root, "node_modules/.cache/gen-"));
const from = (file) => JSON.stringify(path.join(root, "src", file));
writeFileSync(
  path.join(folder, "entry.ts"),
  [
    `export { theParser, keywords, mistakes } from ${from("parser/index.ts")};`,
    `export { blocks, paramTypes, statements, typeText } from ${from("schema/index.ts")};`,
    `export { words } from ${from("cli/reference.ts")};`,
  ].join("\n"),
);
const out = path.join(folder, "gen.mjs");
await build({
  entryPoints: [path.join(folder, "entry.ts")],
  outfile: out,
  bundle: true,
  platform: "node",
  format: "esm",
  logLevel: "error",
});
const { theParser, keywords, mistakes, blocks, paramTypes, statements, typeText, words } = await import(
  pathToFileURL(out).href
);
rmSync(folder, { recursive: true });

const gast = theParser().getSerializedGastProductions();
const wrong = new Set([...mistakes].map((t) => t.name));
const terminals = new Map([
  ["Separator", `( line_end | "," )`],
  ["Operator", `( "|" | ".." | "+" | "-" | "*" | "/" )`],
  ["Assign", `( "=" | "<" | "<=" )`],
  ["Text", "string"],
  ["String", "string"],
  ["Number", "number"],
  ["Name", "name"],
]);

function terminal(node) {
  if (wrong.has(node.name)) return "";
  return (
    terminals.get(node.name) ?? JSON.stringify(typeof node.pattern === "string" ? plain(node.pattern) : node.label)
  );
}

/** What the parser reads only to report it is no part of the language. */
function ebnf(node) {
  switch (node.type) {
    case "Terminal":
      return terminal(node);
    case "NonTerminal":
      return node.name === "stray" ? "" : node.name;
    case "Option":
      return wrap("[", seq(node.definition), "]");
    case "Repetition":
      return wrap("{", seq(node.definition), "}");
    case "RepetitionMandatory":
      return `${seq(node.definition)} ${wrap("{", seq(node.definition), "}")}`;
    case "Alternation": {
      const parts = [...new Set(node.definition.map(ebnf).filter((p) => p !== ""))];
      return parts.length > 1 ? `( ${parts.join(" | ")} )` : (parts[0] ?? "");
    }
    default:
      return seq(node.definition ?? []);
  }
}
const plain = (pattern) => pattern.replace(/\\(.)/g, "$1");
const seq = (nodes) =>
  nodes
    .map(ebnf)
    .filter((p) => p !== "")
    .join(" ");
const wrap = (open, inner, close) => (inner === "" ? "" : `${open} ${inner} ${close}`);

const grammar = `(* Generated from src/parser/grammar.ts by \`npm run gen\`. Names, values and bodies that are optional here may be
   missing to the parser, not to the language: it goes on and reports them (docs/errors, LLMP03xx).
   Operators, loosest first: | .. (+ -) (* /). Line ends are free inside ( ) and [ ]. A unit stands on its number's line. *)

${gast
  .filter((rule) => rule.name !== "stray")
  .map((rule) => `${rule.name} = ${seq(rule.definition)} ;`)
  .join("\n\n")}

name = ? [A-Za-z_] [A-Za-z0-9_]* ( [-.] [A-Za-z0-9_]+ )* ? ;

number = ? "$"? digits with "_" between, at most one fraction and exponent, then an attached suffix: Ki M GiB min % ? ;

string = ? double quotes; escapes \\n \\t \\r \\" \\\\ \\/ \\u00e9 \\u{1F600} ? ;

comment = ? "#" to the end of the line ? ;
`;

const any = (list) =>
  [...new Set(list)]
    .sort((a, b) => b.length - a.length || (a < b ? -1 : 1))
    .map((w) => w.replace(/[.-]/g, "\\$&"))
    .join("|");
const all = words();
const values = all.filter((w) => w.field === undefined).map((w) => w.path.split(".").at(-1));
const keys = all.filter((w) => w.field !== undefined).map((w) => w.path.split(".").at(-1));
const textmate = {
  $schema: "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
  name: "llmp",
  scopeName: "source.llmp",
  fileTypes: ["llmp"],
  patterns: ["comment", "string", "declaration", "statement", "key", "number", "constant", "operator"].map((n) => ({
    include: `#${n}`,
  })),
  repository: {
    comment: { match: "#.*$", name: "comment.line.number-sign.llmp" },
    string: {
      begin: '"',
      end: '"|$',
      name: "string.quoted.double.llmp",
      patterns: [{ match: "\\\\(u\\{[0-9a-fA-F]+\\}|u[0-9a-fA-F]{4}|.)", name: "constant.character.escape.llmp" }],
    },
    declaration: {
      match: `^\\s*(${any(blocks.map((b) => b.keyword))})\\b(?:\\s+([A-Za-z_][\\w.-]*))?(?:\\s*:\\s*([A-Za-z_][\\w.-]*))?(?=[^=<]*\\{)`,
      captures: {
        1: { name: "keyword.declaration.llmp" },
        2: { name: "entity.name.type.llmp" },
        3: { name: "entity.other.inherited-class.llmp" },
      },
    },
    statement: {
      match: `\\b(${any([...keywords.keys()].filter((k) => k !== "true" && k !== "false"))})\\b`,
      name: "keyword.control.llmp",
    },
    key: { match: `\\b(${any(keys)})\\b(?=\\s*(=|<))`, name: "support.type.property-name.llmp" },
    number: {
      match: "\\$?\\b\\d[\\d_]*(\\.\\d[\\d_]*)?([eE][+-]?\\d+)?(%|[A-Za-zµ]\\w*)?",
      name: "constant.numeric.llmp",
    },
    constant: { match: `\\b(auto|true|false|${any(values)})\\b`, name: "constant.language.llmp" },
    operator: { match: "\\.\\.|[|+*/=<-]", name: "keyword.operator.llmp" },
  },
};

const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const table = (prefix) => {
  const rows = all.filter((w) => w.path.startsWith(`${prefix}.`) && w.field !== undefined);
  return [
    "| key | type | default | decided | what | example |",
    "|---|---|---|---|---|---|",
    ...rows.map(({ path: at, field }) => {
      const name = at.slice(prefix.length + 1);
      return `| \`${name}\` | ${cell(typeText(field.type))} | ${field.required ? "required" : field.default === undefined ? "" : `\`${cell(field.default)}\``} | ${field.decidable ? "yes" : ""} | ${cell(field.doc)} | \`${cell(field.example)}\` |`;
    }),
  ].join("\n");
};
const reference = `# Keywords and properties

Generated from the schema table (src/schema) by \`npm run gen\`. "decided": \`auto\`, a range or a choice may be written.

${statements.map((s) => `## ${s.keyword}\n\n${s.doc}\n\n\`\`\`llmp\n${s.example}\n\`\`\`\n`).join("\n")}
Types of params: ${Object.entries(paramTypes)
  .map(([n, d]) => `\`${n}\` (${d})`)
  .join(", ")}.

${blocks.map((b) => `## ${b.keyword}\n\n${b.doc}\n\n\`\`\`llmp\n${b.example}\n\`\`\`\n\n${table(b.keyword)}\n`).join("\n")}`;

const files = {
  "llmp.ebnf": grammar,
  "llmp.tmLanguage.json": `${JSON.stringify(textmate, undefined, 2)}\n`,
  "railroad.html": railroadPage(
    gast.filter((r) => r.name !== "stray"),
    terminal,
  ),
  "reference.md": reference,
  ...schemas(root),
};
const target = path.join(root, "grammar");
mkdirSync(target, { recursive: true });
let drift = false;
for (const [name, text] of Object.entries(files)) {
  const at = path.join(target, name);
  if (existsSync(at) && readFileSync(at, "utf8") === text) continue;
  if (process.argv.includes("--check")) {
    console.error(`grammar/${name} is not what \`npm run gen\` makes`);
    drift = true;
  } else writeFileSync(at, text);
}
process.exitCode = drift ? 1 : 0;
