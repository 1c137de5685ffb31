/** The language server over the real protocol: `llmp lsp`, spawned as an editor spawns it. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type {
  CodeAction,
  CodeLens,
  CompletionItem,
  DocumentHighlight,
  DocumentSymbol,
  FoldingRange,
  Hover,
  InlayHint,
  Location,
  Range,
  SemanticTokens,
  TextEdit,
  WorkspaceEdit,
  WorkspaceSymbol,
} from "vscode-languageserver";
import { formatSeconds } from "../../src/units/index.js";
import { program } from "../built.js";
import { Client, offsetIn, until } from "./client.js";

const example = `# A small plan with everything open.
import "std/gpt2"

dataset web { source = "s3://corpus/*.parquet", field = "text", tokens = 200B }

cluster p5 {
  provider = sagemaker
  instance = ml.p5.48xlarge | ml.p4d.24xlarge  # a choice
  count    = 1..2
  region   = "us-east-1"
  pricing  = on_demand | spot
}

train base {
  objective = pretrain
  model     = gpt2
  data      = web
  tokens    = 100B
  batch     = 512 sequences
  parallel  = auto
  recompute = auto
  on        = p5
  save      = every 30min
}
`;
const shared = 'import "std/llama3"\n\nparam nodes: int = 2\n\nmodel tiny: llama3_2_1b { layers = 4 }\n';
const user = `import "shared.llmp"

dataset web { source = "s3://corpus/*.parquet", field = "text", tokens = 1T }

# Two machines
# unless told otherwise.
cluster box {
  provider = sagemaker
  instance = ml.p5.48xlarge
  count    = nodes
  region   = "us-east-1"
}

train base {
  objective = pretrain
  model     = tiny
  data      = web
  tokens    = 10B
  batch     = 1M tokens
  on        = box
  save      = every 1h
}
`;

const client = new Client({ "shared.llmp": shared, "user.llmp": user });
let uri = "";
beforeAll(async () => {
  await client.start();
  uri = await client.open("main.llmp", example);
});
afterAll(async () => {
  expect(await client.stop()).toBe(0);
});

let drafts = 0;
/** Completion labels where `|` stands, in a file of its own. */
async function complete(marked: string): Promise<readonly CompletionItem[]> {
  const name = `draft${++drafts}.llmp`;
  const at = marked.indexOf("¦");
  await client.open(name, marked.replace("¦", ""));
  const position = client.at(name, marked.slice(0, at));
  return client.ask<CompletionItem[]>("textDocument/completion", position);
}
const labels = (items: readonly CompletionItem[]): readonly string[] => items.map((i) => i.label);

function apply(text: string, edits: readonly TextEdit[]): string {
  return [...edits]
    .sort((a, b) => offsetIn(text, b.range.start) - offsetIn(text, a.range.start))
    .reduce(
      (t, e) => t.slice(0, offsetIn(text, e.range.start)) + e.newText + t.slice(offsetIn(text, e.range.end)),
      text,
    );
}
const slice = (text: string, range: Range): string =>
  text.slice(offsetIn(text, range.start), offsetIn(text, range.end));

describe("completion", () => {
  test("at the top: blocks with their required keys, and statements", async () => {
    const items = await complete("mod¦");
    expect(labels(items)).toEqual(expect.arrayContaining(["model", "train", "budget", "import", "param", "let"]));
    const train = items.find((i) => i.label === "train");
    expect(train?.textEdit?.newText).toContain("objective = ${");
    expect(train?.insertTextFormat).toBe(2);
  });

  test("keys of a block: required first, without those that are there, before or after", async () => {
    const items = await complete("train a {\n  objective = sft\n  ¦\n  batch = 1M tokens\n}\n");
    expect(labels(items)[0]).toBe("data");
    expect(labels(items)).not.toContain("objective");
    expect(labels(items)).not.toContain("batch");
    expect(items[0]?.textEdit?.newText).toBe("data = ");
    expect(labels(await complete("budget {\n  ¦\n}"))).toContain("cost");
    expect((await complete("budget { co¦ }"))[0]?.textEdit?.newText).toBe("cost < ");
  });

  test("keys inside a record and inside a variant, nested", async () => {
    expect(labels(await complete("train a {\n  parallel = { tensor = 2, ¦ }\n}"))).toContain("pipeline");
    expect(labels(await complete("train a {\n  optimizer = adamw { schedule = cosine { ¦ } }\n}"))).toContain("warmup");
  });

  test("values: words, decisions, booleans, names of the file and predefined ones", async () => {
    expect(labels(await complete("train a {\n  recompute = ¦\n}"))).toEqual(
      expect.arrayContaining(["auto", "none", "full", "selective"]),
    );
    expect(labels(await complete("train a {\n  packing = ¦\n}"))).toEqual(["true", "false"]);
    const data = await complete('dataset w { source = "x" }\nmix m { w = 100% }\ntrain a {\n  data = ¦\n}');
    expect(labels(data)).toEqual(["w", "m"]);
    expect(labels(await complete("train a {\n  precision = f¦\n}"))).toEqual(expect.arrayContaining(["fp8", "bf16"]));
    expect(labels(await complete("param n: int = 3\ncluster c {\n  count = ¦\n}"))).toContain("n");
    expect(labels(await complete("cluster c {\n  pricing = on_demand | ¦\n}"))).toContain("spot");
  });

  test("machines, with memory and price", async () => {
    const items = await complete("cluster c {\n  instance = ml.p5¦\n}");
    const p5 = items.find((i) => i.label === "ml.p5.48xlarge");
    expect(p5?.detail).toMatch(/8 × H100.*80 GiB each.*\$\d+\/h/);
  });

  test("models of std/ bring their import", async () => {
    const items = await complete('# a comment\nimport "std/gpt2"\n\ntrain a {\n  model = ¦\n}');
    expect(items.find((i) => i.label === "gpt2")?.additionalTextEdits).toBeUndefined();
    const llama = items.find((i) => i.label === "llama3_8b");
    expect(llama?.additionalTextEdits?.[0]).toMatchObject({
      newText: 'import "std/llama3"\n',
      range: { start: { line: 2 } },
    });
  });

  test("units by what the key takes; families and files after import; parents and stages", async () => {
    expect(labels(await complete("train a {\n  batch = 4M ¦\n}"))).toEqual(
      expect.arrayContaining(["tokens", "sequences"]),
    );
    expect(labels(await complete("dataset d {\n  tokens = 30¦\n}"))).toEqual(expect.arrayContaining(["B", "T"]));
    expect(labels(await complete("budget { time < 7 ¦ }"))).toContain("days");
    expect(labels(await complete('import "¦"'))).toEqual(expect.arrayContaining(["std/qwen3", "shared.llmp"]));
    expect(labels(await complete('import "std/gpt2"\nmodel m: ¦'))).toContain("gpt2_xl");
    expect(labels(await complete("train a { }\ntrain b from ¦"))).toContain("a");
    expect(labels(await complete("param p: ¦"))).toContain("bytes");
  });

  test("datasets inside a mix and its phases", async () => {
    const head = 'dataset w { source = "x" }\nmix m {\n';
    expect(labels(await complete(`${head}  ¦\n}`))).toEqual(expect.arrayContaining(["w", "unit", "from"]));
    expect(labels(await complete(`${head}  w = 100%\n  from 90% { ¦ }\n}`))).toContain("w");
  });

  test("nothing in comments and texts", async () => {
    expect(await complete("# mod¦")).toEqual([]);
    expect(await complete('dataset d { source = "mod¦" }')).toEqual([]);
  });
});

describe("the plan, beside the file", () => {
  test("lens, hints and hover of a train block", async () => {
    const lens = await until(async () => {
      const all = await client.ask<CodeLens[]>("textDocument/codeLens", { textDocument: { uri } });
      return /GiB/.test(all[0]?.command?.title ?? "") ? all : undefined;
    });
    expect(lens).toHaveLength(1);
    expect(lens[0]?.command?.title).toMatch(/^\d+\.\d\/\d+\.\d GiB · .*(days|h|min) · .*Plan$/);
    const range = { start: { line: 0, character: 0 }, end: { line: 99, character: 0 } };
    const hints = await client.ask<InlayHint[]>("textDocument/inlayHint", { textDocument: { uri }, range });
    const words = hints.map(
      (h) =>
        `${slice(client.text("main.llmp"), { start: { line: h.position.line, character: 0 }, end: h.position })} ${String(h.label)}`,
    );
    expect(words).toEqual([
      expect.stringMatching(/instance = .* → ml\.p/),
      expect.stringMatching(/count {4}= 1\.\.2 → \d+$/),
      expect.stringMatching(/pricing .* → (spot|on_demand)$/),
      expect.stringMatching(/parallel {2}= auto → TP \d+ · PP \d+ · .*recompute /),
      expect.stringMatching(/recompute = auto → /),
    ]);
    const hover = await client.ask<Hover>("textDocument/hover", client.at("main.llmp", "train base"));
    expect(JSON.stringify(hover.contents)).toMatch(/memory.*GiB of .*step.*time.*cost/s);
  });

  test("a comment does not plan anew; an error says so; its mending brings the plan back", async () => {
    const version = await client.edit("main.llmp", 0, 0, "# one more\n");
    await client.published((p) => p.uri === uri && p.version === version);
    const title = async (): Promise<string> =>
      (await client.ask<CodeLens[]>("textDocument/codeLens", { textDocument: { uri } }))[0]?.command?.title ?? "";
    expect(await title()).toMatch(/^\d+\.\d\/.*Plan$/);
    const at = client.text("main.llmp").indexOf("100B");
    const broken = await client.edit("main.llmp", at, at + 4, "100X");
    const bad = await client.published((p) => p.uri === uri && p.version === broken);
    expect(bad.diagnostics.map((d) => d.code)).toEqual(["LLMP2004"]);
    await client.edit("main.llmp", at, at + 4, "100B");
    await until(async () => (/^\d+\.\d\/.*Plan$/.test(await title()) ? true : undefined));
  });

  test("typed on while it plans, the plan that stays is that of the last text", async () => {
    const text = client.text("main.llmp");
    const change = async (from: string, to: string): Promise<void> => {
      const at = client.text("main.llmp").indexOf(from);
      await client.edit("main.llmp", at, at + from.length, to);
    };
    const seconds = async (): Promise<string | undefined> => {
      const hover = await client.ask<Hover>("textDocument/hover", client.at("main.llmp", "train base"));
      const said = JSON.stringify(hover.contents);
      return said.includes("planning…") ? undefined : /\| time \| ([^|]+) \|/.exec(said)?.[1];
    };
    const before = await until(seconds);
    await change("100B", "50B");
    // Past both delays: this one's plan is under way.
    await new Promise((resolve) => setTimeout(resolve, 500));
    await change("50B", "25B");
    const plan = execFileSync(process.execPath, [program, "plan", "-", "--json"], {
      input: client.text("main.llmp"),
      encoding: "utf8",
    });
    const expected = formatSeconds(JSON.parse(plan).stages[0].time.total_seconds);
    await until(async () => ((await seconds()) === expected ? true : undefined));
    // Nothing of the text in between comes late.
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(await seconds()).toBe(expected);
    await change("25B", "100B");
    expect(client.text("main.llmp")).toBe(text);
    await until(async () => ((await seconds()) === before ? true : undefined));
  });

  test("hover of a key, a machine, a model, a number", async () => {
    const hover = async (needle: string, plus?: number): Promise<string> =>
      String(
        (
          (await client.ask<Hover>("textDocument/hover", client.at("main.llmp", needle, plus))).contents as {
            value: string;
          }
        ).value,
      );
    expect(await hover("  count", 4)).toMatch(
      /machines.*resolved: `count = 1\.\.2` \*\(file\)\*.*planned:.*cluster\.count/s,
    );
    expect(await hover("ml.p5.48x")).toMatch(/8 × H100.*on_demand \$/s);
    expect(await hover("= gpt2")).toMatch(/model gpt2.*of std\/gpt2\.llmp · 124 M parameters \(124,439,808\).*layers/s);
    expect(await hover("100B", 2)).toBe("100,000,000,000");
    expect(await hover("objective = pretrain", 14)).toMatch(/^\*\*pretrain\*\*/);
    expect(await hover("cluster", 3)).toContain("Machines to train on.");
  });

  test("the lens's command writes the page", async () => {
    const target = await client.ask<string>("workspace/executeCommand", {
      command: "llmp.report",
      arguments: [uri, "base"],
    });
    const page = fileURLToPath(target);
    expect(existsSync(page)).toBe(true);
    expect(readFileSync(page, "utf8")).toContain("train base");
  });
});

describe("diagnostics", () => {
  test("code, place, hint; the quick fix mends the file", async () => {
    const text = 'import "std/llama3"\n\nmodel m: llama3_8b { layrs = 4 }\n';
    const bad = await client.open("bad.llmp", text);
    const { diagnostics } = await client.published((p) => p.uri === bad && p.diagnostics.length > 0);
    expect(diagnostics).toHaveLength(1);
    const d = diagnostics[0];
    expect(d).toMatchObject({ code: "LLMP1002", source: "llmp", severity: 1 });
    expect(d?.message).toContain("layers");
    if (d === undefined) return;
    expect(slice(text, d.range)).toBe("layrs");
    const actions = await client.ask<CodeAction[]>("textDocument/codeAction", {
      textDocument: { uri: bad },
      range: d.range,
      context: { diagnostics: [d] },
    });
    const fix = actions.find((a) => a.kind === "quickfix");
    expect(fix?.diagnostics).toEqual([d]);
    const edits = fix?.edit?.changes?.[bad] ?? [];
    expect(apply(text, edits)).toBe(text.replace("layrs", "layers"));
    const edit = edits[0];
    if (edit === undefined) throw new Error("no edit");
    const version = await client.edit(
      "bad.llmp",
      offsetIn(text, edit.range.start),
      offsetIn(text, edit.range.end),
      edit.newText,
    );
    const mended = await client.published((p) => p.uri === bad && p.version === version);
    expect(mended.diagnostics.filter((one) => one.severity === 1)).toEqual([]);
  });

  test("a mistake in an unsaved import is seen by the file that imports it", async () => {
    const importer = await client.open("importer.llmp", 'import "part.llmp"\ntrain t { }\n');
    await client.published((p) => p.uri === importer && p.diagnostics.some((d) => d.code === "LLMP1007"));
    await client.open("part.llmp", "param n: int = 1\n");
    await client.published((p) => p.uri === importer && !p.diagnostics.some((d) => d.code === "LLMP1007"));
  });
});

describe("names", () => {
  test("definition in the file, in an import and in std/; of a file; of a property", async () => {
    await client.open("user.llmp", user);
    const definition = (needle: string, plus?: number): Promise<Location | null> =>
      client.ask("textDocument/definition", client.at("user.llmp", needle, plus));
    const web = await definition("data      = web");
    expect(web?.uri).toBe(client.uri("user.llmp"));
    expect(slice(user, (web as Location).range)).toBe("web");
    const tiny = await definition("= tiny");
    expect(tiny?.uri).toBe(client.uri("shared.llmp"));
    expect(slice(shared, (tiny as Location).range)).toBe("tiny");
    const nodes = await definition("= nodes");
    expect(slice(shared, (nodes as Location).range)).toBe("nodes");
    expect((await definition('"shared', 4))?.uri).toBe(client.uri("shared.llmp"));
    await client.open("shared.llmp", shared);
    const std = await client.ask<Location>("textDocument/definition", client.at("shared.llmp", "tiny: llama3_2_1b"));
    const file = readFileSync(fileURLToPath(std.uri), "utf8");
    expect(path.basename(fileURLToPath(std.uri))).toBe("llama3.llmp");
    expect(slice(file, std.range)).toBe("llama3_2_1b");
    await client.open(
      "property.llmp",
      'import "std/llama3"\nmodel m: llama3_8b { layers = 8 }\nlet n = m.layers * m.heads\n',
    );
    const own = await client.ask<Location>("textDocument/definition", client.at("property.llmp", "m.layers"));
    expect(own).toMatchObject({ uri: client.uri("property.llmp"), range: { start: { line: 1, character: 21 } } });
    const inherited = await client.ask<Location>("textDocument/definition", client.at("property.llmp", "m.heads"));
    expect(path.basename(fileURLToPath(inherited.uri))).toBe("llama3.llmp");
  });

  test("references over files, and highlights", async () => {
    const found = await client.ask<Location[]>("textDocument/references", {
      ...client.at("shared.llmp", "model tiny"),
      context: { includeDeclaration: true },
    });
    expect(found.map((l) => path.basename(l.uri)).sort()).toEqual(["shared.llmp", "user.llmp"]);
    const marks = await client.ask<DocumentHighlight[]>(
      "textDocument/documentHighlight",
      client.at("user.llmp", "dataset web"),
    );
    expect(marks.map((m) => slice(user, m.range))).toEqual(["web", "web"]);
  });

  test("rename changes every file that names it, and keeps all meaning", async () => {
    const edit = await client.ask<WorkspaceEdit>("textDocument/rename", {
      ...client.at("user.llmp", "= tiny"),
      newName: "small",
    });
    expect(Object.keys(edit.changes ?? {}).sort()).toEqual([client.uri("shared.llmp"), client.uri("user.llmp")]);
    expect(apply(shared, edit.changes?.[client.uri("shared.llmp")] ?? [])).toBe(shared.replace("tiny", "small"));
    expect(apply(user, edit.changes?.[client.uri("user.llmp")] ?? [])).toBe(user.replace("= tiny", "= small"));
  });

  test("what cannot be renamed says why", async () => {
    const at = client.at("shared.llmp", "tiny: llama3_2_1b");
    await expect(client.ask("textDocument/prepareRename", at)).rejects.toThrow(/bundled with llmp/);
    const here = client.at("user.llmp", "dataset web");
    await expect(client.ask("textDocument/rename", { ...here, newName: "9 lives" })).rejects.toThrow(/not a name/);
    await expect(client.ask("textDocument/rename", { ...here, newName: "auto" })).rejects.toThrow(
      /word of the language/,
    );
    await expect(client.ask("textDocument/rename", { ...here, newName: "nodes" })).rejects.toThrow(/declared already/);
  });
});

describe("structure", () => {
  test("symbols of the file and of the workspace", async () => {
    const symbols = await client.ask<DocumentSymbol[]>("textDocument/documentSymbol", {
      textDocument: { uri: client.uri("user.llmp") },
    });
    expect(symbols.map((s) => s.name)).toEqual(["shared.llmp", "web", "box", "base"]);
    expect(symbols[3]?.children?.map((s) => s.name)).toEqual([
      "objective",
      "model",
      "data",
      "tokens",
      "batch",
      "on",
      "save",
    ]);
    const found = await client.ask<WorkspaceSymbol[]>("workspace/symbol", { query: "tin" });
    expect(found.map((s) => [s.name, s.containerName])).toEqual([["tiny", "model"]]);
  });

  test("folding", async () => {
    const folds = await client.ask<FoldingRange[]>("textDocument/foldingRange", {
      textDocument: { uri: client.uri("user.llmp") },
    });
    const lines = user.split("\n");
    expect(folds.map((f) => [lines[f.startLine], lines[f.endLine], f.kind])).toEqual([
      ["cluster box {", "}", undefined],
      ["train base {", "}", undefined],
      ["# Two machines", "# unless told otherwise.", "comment"],
    ]);
  });

  test("semantic tokens cover names, keys, words, numbers and comments, in order", async () => {
    const { data } = await client.ask<SemanticTokens>("textDocument/semanticTokens/full", {
      textDocument: { uri: client.uri("user.llmp") },
    });
    const types = [
      "keyword",
      "class",
      "type",
      "variable",
      "property",
      "enumMember",
      "number",
      "string",
      "comment",
      "namespace",
    ];
    let line = 0;
    let character = 0;
    const seen = new Map<string, string>();
    for (let i = 0; i < data.length; i += 5) {
      const [down = 0, right = 0, length = 0, type = 0] = data.slice(i, i + 4);
      line += down;
      character = down > 0 ? right : character + right;
      expect(down >= 0 && (down > 0 || right >= 0)).toBe(true);
      seen.set(
        slice(user, { start: { line, character }, end: { line, character: character + length } }),
        types[type] ?? "",
      );
    }
    expect(Object.fromEntries(seen)).toMatchObject({
      cluster: "keyword",
      box: "class",
      provider: "property",
      sagemaker: "enumMember",
      nodes: "variable",
      pretrain: "type",
      "10B": "number",
      tokens: "number",
      every: "keyword",
      '"us-east-1"': "string",
      '"shared.llmp"': "namespace",
      "# Two machines": "comment",
    });
  });

  test("formatting is that of `llmp fmt`, touches only what changes, and leaves broken files", async () => {
    const messy = "# keep\nparam  n:int=3\n\n\n\nbudget{cost<$5, minimize=cost}\n# tail";
    await client.open("messy.llmp", messy);
    const uriOf = { textDocument: { uri: client.uri("messy.llmp") }, options: { tabSize: 2, insertSpaces: true } };
    const edits = await client.ask<TextEdit[]>("textDocument/formatting", uriOf);
    const wanted = execFileSync(process.execPath, [program, "fmt", "-"], { input: messy, encoding: "utf8" });
    expect(apply(messy, edits)).toBe(wanted);
    expect(edits[0]?.range.start.line).toBe(1);
    await client.edit("messy.llmp", 0, messy.length, "budget { cost < ");
    expect(await client.ask("textDocument/formatting", uriOf)).toEqual([]);
  });
});
