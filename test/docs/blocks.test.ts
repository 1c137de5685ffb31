/**
 * Every code block of the documentation is run. By language:
 * `llmp` is checked (and kept under the name in `file=NAME` for the commands that follow), `sh` is run line by line in a
 * folder of the page's own (with the shipped data in `data/`), `json` is parsed (and kept, as one line), `ts` is compiled against the library's types.
 * `console` needs an account, another machine or a long time: its shell syntax is checked. `text` is what a program answered.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { execa } from "execa";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { check } from "../../src/checker/index.js";
import { hasErrors } from "../../src/diagnostics/index.js";
import { parse } from "../../src/parser/index.js";
import { folder, llmp } from "../cli/llmp.js";

interface Block {
  readonly language: string;
  readonly file: string | undefined;
  readonly text: string;
  readonly line: number;
}

function* pages(at: string): Generator<string> {
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    const here = path.join(at, entry.name);
    // Pages of errors hold wrong examples on purpose; test/checker/pages.test.ts runs them.
    if (entry.isDirectory() && entry.name !== "errors") yield* pages(here);
    else if (entry.name.endsWith(".md")) yield here;
  }
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(page, "utf8");
  return [...text.matchAll(/^```(\S*)([^\n]*)\n([\s\S]*?)^```$/gm)].map((m) => ({
    language: m[1] ?? "",
    file: /file=(\S+)/.exec(m[2] ?? "")?.[1],
    text: m[3] ?? "",
    line: text.slice(0, m.index).split("\n").length,
  }));
}

/** Commands of a block: a trailing `\` goes on; `#` starts a comment. */
const commandsOf = (text: string): string[] =>
  text
    .replace(/\\\n\s*/g, " ")
    .split("\n")
    .map((l) => l.replace(/(^|\s)#.*$/, "").trim())
    .filter((l) => l !== "");

const words = (command: string): string[] =>
  [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2] ?? m[3] ?? "");

describe.each(["README.md", ...pages("docs")])("%s", (page) => {
  const blocks = blocksOf(page);

  it("says what each block is", () => {
    const known = ["llmp", "sh", "console", "json", "ts", "text", "lua", "toml", "rust", "html"];
    expect(blocks.filter((b) => !known.includes(b.language)).map((b) => `line ${b.line}: ${b.language}`)).toEqual([]);
  });

  it.runIf(blocks.some((b) => ["llmp", "sh"].includes(b.language)))(
    "its files check and its commands run",
    async () => {
      const cwd = folder();
      cpSync("examples/data", path.join(cwd, "data"), { recursive: true });
      mkdirSync(path.join(cwd, "examples"));
      cpSync("examples", path.join(cwd, "examples"), { recursive: true, filter: (f) => !f.includes("runs") });
      for (const { language, file, text, line } of blocks) {
        if (file !== undefined) mkdirSync(path.dirname(path.join(cwd, file)), { recursive: true });
        if (language === "llmp") {
          if (file !== undefined) writeFileSync(path.join(cwd, file), text);
          const { value, diagnostics } = parse({ path: file ?? "block.llmp", text });
          const host = {
            read: (at: string) => (at.startsWith("std/") ? readFileSync(at, "utf8") : undefined),
          };
          const all = [...diagnostics, ...check(value, host).diagnostics];
          expect(hasErrors(all) ? all : [], `${page}:${line}`).toEqual([]);
        }
        if (language === "json" && file !== undefined)
          writeFileSync(path.join(cwd, file), `${JSON.stringify(JSON.parse(text))}\n`);
        if (language !== "sh") continue;
        for (const command of commandsOf(text)) {
          const [program, ...args] = words(command.replace(/^npx /, ""));
          // The two commands of the README are CI's own; the rest of a page's commands are ours.
          if (/^npm (ci|test)\b/.test(command)) continue;
          expect(program, `${page}:${line}: ${command}`).toBe("llmp");
          const { code, stderr } = await llmp(args, { cwd });
          expect(code === 0 ? "" : `${page}:${line}: ${command} ended with ${code}\n${stderr}`).toBe("");
        }
      }
    },
  );

  it.runIf(blocks.some((b) => b.language === "console"))("what it would run elsewhere is shell", async () => {
    for (const { language, text, line } of blocks) {
      if (language !== "console") continue;
      const { exitCode, stderr } = await execa("bash", ["-n"], { input: text, reject: false });
      expect(exitCode === 0 ? "" : `${page}:${line}: ${stderr}`).toBe("");
    }
  });

  it.runIf(blocks.some((b) => b.language === "json"))("its JSON is JSON", () => {
    for (const { language, text } of blocks) if (language === "json") expect(() => JSON.parse(text)).not.toThrow();
  });

  it.runIf(blocks.some((b) => b.language === "ts"))("its TypeScript compiles against the library", () => {
    const { config } = ts.readConfigFile("tsconfig.json", ts.sys.readFile) as { config: { compilerOptions: object } };
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, process.cwd());
    const files = new Map(
      blocks
        .filter((b) => b.language === "ts")
        .map((b, i) => [path.resolve(`docs-block-${i}.ts`), b.text.replaceAll('from "llmp"', 'from "./src/index.js"')]),
    );
    const host = ts.createCompilerHost({ ...options, noEmit: true });
    const { readFile, fileExists, getSourceFile } = host;
    host.readFile = (f) => files.get(f) ?? readFile(f);
    host.fileExists = (f) => files.has(f) || fileExists(f);
    host.getSourceFile = (f, version, ...rest) => {
      const text = files.get(f);
      return text === undefined ? getSourceFile(f, version, ...rest) : ts.createSourceFile(f, text, version);
    };
    const program = ts.createProgram([...files.keys()], { ...options, noEmit: true, noUnusedLocals: false }, host);
    const wrong = [...files.keys()].flatMap((f) => {
      const source = program.getSourceFile(f);
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((d) =>
        ts.flattenDiagnosticMessageText(d.messageText, "\n"),
      );
    });
    expect(wrong).toEqual([]);
  });
});
