/**
 * How fast the language server answers while someone types in a 2,000-line file: `node bench/lsp.mjs [KEYSTROKES]`.
 * The built command over its real protocol; each keystroke is a change, a completion and what editors ask beside it.
 * Prints milliseconds by request (median, p95, worst; `bare` is a request that does nothing), and how long diagnostics and the plan take to arrive.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from "vscode-languageserver/node";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const keystrokes = Number(process.argv[2] ?? 300);

/** The medical example's blocks, again and again under other names; one of them is trained. */
const base = readFileSync(path.join(root, "examples/medical-mix.llmp"), "utf8").replace(/^import.*\n/m, "");
const many = base.replace(/^(?:train|budget)[^{]*\{[\s\S]*?^\}|^budget.*$/gm, "");
let text = `import "std/llama3"\n${base}`;
for (let n = 0; text.split("\n").length < 2000; n++)
  text += many.replace(/\b(web|pubmed|medical|student|careful|p5)\b(?!\.|en|\/)/g, `$1_${n}`);

const folder = mkdtempSync(path.join(tmpdir(), "llmp-bench-"));
const child = spawn(process.execPath, [path.join(root, "dist/llmp.js"), "lsp"], {
  cwd: folder,
  stdio: ["pipe", "pipe", "inherit"],
});
const connection = createMessageConnection(new StreamMessageReader(child.stdout), new StreamMessageWriter(child.stdin));
const published = [];
const waiting = new Set();
connection.onNotification("textDocument/publishDiagnostics", (p) => {
  published.push(p);
  for (const w of waiting) w(p);
});
for (const method of ["workspace/codeLens/refresh", "workspace/inlayHint/refresh", "client/registerCapability"])
  connection.onRequest(method, () => null);
connection.listen();
const uri = pathToFileURL(path.join(folder, "main.llmp")).href;
await connection.sendRequest("initialize", {
  processId: process.pid,
  rootUri: pathToFileURL(folder).href,
  capabilities: { textDocument: { completion: { completionItem: { snippetSupport: true } } } },
});
await connection.sendNotification("initialized", {});
let version = 1;
const opened = performance.now();
await connection.sendNotification("textDocument/didOpen", { textDocument: { uri, languageId: "llmp", version, text } });
const document = { textDocument: { uri } };
await until((p) => p.version === 1);
const firstDiagnostics = performance.now() - opened;
for (;;) {
  const [lens] = await connection.sendRequest("textDocument/codeLens", document);
  if (/GiB/.test(lens?.command.title ?? "")) break;
  await sleep(50);
}
const firstPlan = performance.now() - opened;

function until(test) {
  const known = published.find(test);
  if (known) return known;
  return new Promise((resolve) => {
    const w = (p) => {
      if (!test(p)) return;
      waiting.delete(w);
      resolve(p);
    };
    waiting.add(w);
  });
}
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const times = new Map();
async function timed(method, params) {
  const start = performance.now();
  const answer = await connection.sendRequest(method === "bare" ? "textDocument/hover" : method, params);
  const list = times.get(method) ?? [];
  list.push(performance.now() - start);
  times.set(method, list);
  return answer;
}

// Someone adds a block in the middle of the file, and deletes a word now and then.
const typed =
  'model draft: student_3 {\n  layers = 24\n  context_length = 4Ki\n}\n\ndataset notes { source = "s3://x/*.parquet", tokens = 30B }\n';
const lines = text.split("\n");
const from = lines.findIndex((l, i) => i > lines.length / 2 && l === "");
let position = { line: from, character: 0 };
const range = { start: { line: from - 40, character: 0 }, end: { line: from + 40, character: 0 } };
for (let i = 0; i < keystrokes; i++) {
  const char = typed[i % typed.length];
  await connection.sendNotification("textDocument/didChange", {
    textDocument: { uri, version: ++version },
    contentChanges: [{ range: { start: position, end: position }, text: char }],
  });
  position =
    char === "\n"
      ? { line: position.line + 1, character: 0 }
      : { line: position.line, character: position.character + 1 };
  // The way there and back alone (of a file that is not open), by turns first: what a busy machine adds, it adds here too.
  const bare = () => timed("bare", { textDocument: { uri: `${uri}.none` }, position });
  if (i % 2 === 0) await bare();
  await timed("textDocument/completion", { ...document, position });
  if (i % 2 === 1) await bare();
  if (i % 3 === 0) await timed("textDocument/semanticTokens/range", { ...document, range });
  if (i % 4 === 0) await timed("textDocument/hover", { ...document, position: { line: 36, character: 4 } });
  if (i % 5 === 0) {
    await timed("textDocument/documentSymbol", document);
    await timed("textDocument/foldingRange", document);
    await timed("textDocument/semanticTokens/full", document);
    await timed("textDocument/inlayHint", { ...document, range });
    await timed("textDocument/codeLens", document);
    await timed("textDocument/codeAction", { ...document, range, context: { diagnostics: [] } });
  }
  if (i % 7 === 0) {
    await timed("textDocument/definition", { ...document, position: { line: 36, character: 16 } });
    await timed("textDocument/references", {
      ...document,
      position: { line: 36, character: 16 },
      context: { includeDeclaration: true },
    });
  }
  // About 8 keystrokes a second, so that checks start between them now and then.
  await sleep(i % 20 === 0 ? 400 : 60);
}
const stopped = performance.now();
await until((p) => p.version === version);
const settled = performance.now() - stopped;

const at = (list, share) =>
  Number([...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * share))].toFixed(2));
const row = (list) => ({ requests: list.length, median: at(list, 0.5), p95: at(list, 0.95), worst: at(list, 1) });
console.log(
  JSON.stringify(
    {
      node: process.version,
      lines: lines.length,
      keystrokes,
      all: row([...times].flatMap(([method, list]) => (method === "bare" ? [] : list))),
      by_request: Object.fromEntries(
        [...times].map(([method, list]) => [method.replace("textDocument/", ""), row(list)]),
      ),
      first_diagnostics_ms: Math.round(firstDiagnostics),
      first_plan_ms: Math.round(firstPlan),
      diagnostics_after_last_key_ms: Math.round(settled),
    },
    undefined,
    2,
  ),
);
await connection.sendRequest("shutdown");
await connection.sendNotification("exit");
connection.dispose();
rmSync(folder, { recursive: true, force: true });
