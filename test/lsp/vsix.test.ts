/** The VS Code extension as it is packaged. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { strFromU8, unzipSync } from "fflate";
import { beforeAll, expect, test } from "vitest";
import { blocks } from "../../src/schema/index.js";
import { root } from "../built.js";

let files: Readonly<Record<string, Uint8Array>> = {};
const text = (name: string): string => strFromU8(files[name] ?? new Uint8Array());
interface Manifest {
  readonly main: string;
  readonly contributes: {
    readonly languages: readonly { readonly configuration: string }[];
    readonly grammars: readonly { readonly path: string }[];
    readonly snippets: readonly { readonly path: string }[];
    readonly commands: readonly { readonly command: string }[];
  };
}
let manifest: Manifest;

beforeAll(() => {
  execFileSync(process.execPath, [path.join(root, "scripts/vsix.mjs")], { cwd: root, stdio: "pipe" });
  const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
  files = unzipSync(new Uint8Array(readFileSync(path.join(root, `editors/vscode/llmp-${version}.vsix`))));
  manifest = JSON.parse(text("extension/package.json"));
});

test("everything that the manifests name is in it, and every file has a content type", () => {
  const { languages, grammars, snippets } = manifest.contributes;
  const named = [
    manifest.main,
    ...languages.map((l) => l.configuration),
    ...[...grammars, ...snippets].map((g) => g.path),
  ];
  for (const file of named) expect(Object.keys(files)).toContain(path.posix.join("extension", file));
  const assets = [...text("extension.vsixmanifest").matchAll(/ Path="([^"]+)"/g)].map((m) => m[1]);
  expect(assets.length).toBe(3);
  for (const asset of assets) expect(Object.keys(files)).toContain(asset);
  for (const file of Object.keys(files).filter((f) => f.startsWith("extension/")))
    expect(text("[Content_Types].xml")).toContain(`Extension="${path.extname(file)}"`);
  for (const picture of text("extension/readme.md").matchAll(/\]\((images\/[^)]+)\)/g))
    expect(Object.keys(files)).toContain(`extension/${picture[1]}`);
});

test("grammar and snippets are those of the language", () => {
  expect(text("extension/llmp.tmLanguage.json")).toBe(
    readFileSync(path.join(root, "grammar/llmp.tmLanguage.json"), "utf8"),
  );
  const snippets: Record<string, { readonly body: readonly string[] }> = JSON.parse(text("extension/snippets.json"));
  expect(Object.keys(snippets)).toEqual(blocks.map((b) => b.keyword));
  for (const block of blocks) {
    const filled = (snippets[block.keyword]?.body ?? [])
      .join("\n")
      .replace(/\$\{\d+:((?:[^\\}]|\\.)*)\}/g, "$1")
      .replace(/\\(.)/g, "$1");
    expect(filled).toBe(block.example);
  }
});

test("it loads, and in a folder that is not trusted starts nothing", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "llmp-vsix-"));
  writeFileSync(path.join(folder, "extension.js"), files["extension/extension.js"] ?? "");
  // An editor that has every class and function, and remembers which commands were registered.
  const commands: string[] = [];
  const disposable = { dispose: () => undefined };
  const stub: object = new Proxy(
    {
      workspace: {
        isTrusted: false,
        onDidGrantWorkspaceTrust: () => disposable,
        onDidSaveTextDocument: () => disposable,
      },
      commands: {
        registerCommand: (name: string) => {
          commands.push(name);
          return disposable;
        },
      },
    },
    { get: (known, key) => (key in known ? known[key as keyof typeof known] : class {}) },
  );
  const require = createRequire(path.join(folder, "extension.js"));
  const { Module } = require("node:module") as { Module: { _load: (name: string, ...rest: unknown[]) => unknown } };
  const load = Module._load;
  Module._load = (name, ...rest) => (name === "vscode" ? stub : load(name, ...rest));
  try {
    const extension = require("./extension.js") as {
      activate: (context: object) => Promise<void>;
      deactivate: () => Promise<void>;
    };
    await extension.activate({ subscriptions: [] });
    await extension.deactivate();
  } finally {
    Module._load = load;
    rmSync(folder, { recursive: true });
  }
  expect(commands.sort()).toEqual(manifest.contributes.commands.map((c) => c.command).sort());
});
