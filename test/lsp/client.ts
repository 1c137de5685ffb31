/** A language client over the real protocol: the built command, started as an editor starts it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Diagnostic, InitializeResult, Position } from "vscode-languageserver";
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver/node";
import { program } from "../built.js";

export interface Published {
  readonly uri: string;
  readonly version?: number;
  readonly diagnostics: readonly Diagnostic[];
}

export class Client {
  readonly connection: MessageConnection;
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly #published: Published[] = [];
  readonly #waiting: { readonly test: (p: Published) => boolean; readonly done: (p: Published) => void }[] = [];
  readonly #texts = new Map<string, { text: string; version: number }>();
  stderr = "";

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.folder = realpathSync(mkdtempSync(path.join(tmpdir(), "llmp-lsp-")));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(this.folder, name)), { recursive: true });
      writeFileSync(path.join(this.folder, name), text);
    }
    this.#child = spawn(process.execPath, [program, "lsp", "--stdio"], {
      cwd: this.folder,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stderr?.on("data", (data: Buffer) => {
      this.stderr += data.toString();
    });
    const { stdout, stdin } = this.#child;
    if (stdout === null || stdin === null) throw new Error("no pipes");
    this.connection = createMessageConnection(new StreamMessageReader(stdout), new StreamMessageWriter(stdin));
    this.connection.onNotification("textDocument/publishDiagnostics", (p: Published) => {
      this.#published.push(p);
      for (const w of [...this.#waiting]) if (w.test(p)) w.done(p);
    });
    this.connection.onRequest("workspace/codeLens/refresh", () => null);
    this.connection.onRequest("workspace/inlayHint/refresh", () => null);
    this.connection.onRequest("client/registerCapability", () => null);
    this.connection.listen();
  }

  async start(): Promise<InitializeResult> {
    const result: InitializeResult = await this.connection.sendRequest("initialize", {
      processId: process.pid,
      rootUri: pathToFileURL(this.folder).href,
      workspaceFolders: [{ uri: pathToFileURL(this.folder).href, name: "test" }],
      capabilities: {
        textDocument: { completion: { completionItem: { snippetSupport: true } }, publishDiagnostics: {} },
        workspace: { codeLens: { refreshSupport: true }, inlayHint: { refreshSupport: true } },
      },
    });
    await this.connection.sendNotification("initialized", {});
    return result;
  }

  uri(name: string): string {
    return pathToFileURL(path.join(this.folder, name)).href;
  }

  text(name: string): string {
    return this.#texts.get(this.uri(name))?.text ?? "";
  }

  async open(name: string, text: string): Promise<string> {
    const uri = this.uri(name);
    this.#texts.set(uri, { text, version: 1 });
    await this.connection.sendNotification("textDocument/didOpen", {
      textDocument: { uri, languageId: "llmp", version: 1, text },
    });
    return uri;
  }

  /** Replaces `[start, end)` by an incremental change, as typing does. */
  async edit(name: string, start: number, end: number, insert: string): Promise<number> {
    const uri = this.uri(name);
    const state = this.#texts.get(uri);
    if (state === undefined) throw new Error(`${name} is not open`);
    const range = { start: positionIn(state.text, start), end: positionIn(state.text, end) };
    state.text = state.text.slice(0, start) + insert + state.text.slice(end);
    state.version++;
    await this.connection.sendNotification("textDocument/didChange", {
      textDocument: { uri, version: state.version },
      contentChanges: [{ range, text: insert }],
    });
    return state.version;
  }

  /** At the first place of `needle`, plus `plus` characters (default: its end). */
  at(name: string, needle: string, plus = needle.length): { textDocument: { uri: string }; position: Position } {
    const text = this.text(name);
    const found = text.indexOf(needle);
    if (found < 0) throw new Error(`no ${needle} in ${name}`);
    return { textDocument: { uri: this.uri(name) }, position: positionIn(text, found + plus) };
  }

  ask<T>(method: string, params: unknown): Promise<T> {
    return this.connection.sendRequest(method, params);
  }

  /** The first publication, past or to come, that passes. */
  published(test: (p: Published) => boolean, timeout = 20_000): Promise<Published> {
    const known = this.#published.findLast(test);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nothing published; stderr: ${this.stderr}`)), timeout);
      const entry = {
        test,
        done: (p: Published) => {
          clearTimeout(timer);
          this.#waiting.splice(this.#waiting.indexOf(entry), 1);
          resolve(p);
        },
      };
      this.#waiting.push(entry);
    });
  }

  /** The exit status. */
  async stop(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.#child.once("exit", resolve));
    await this.ask("shutdown", null);
    await this.connection.sendNotification("exit");
    const code = await ended;
    this.connection.dispose();
    rmSync(this.folder, { recursive: true, force: true });
    return code;
  }
}

export function positionIn(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length - 1, character: offset - (before.lastIndexOf("\n") + 1) };
}

export function offsetIn(text: string, { line, character }: Position): number {
  const lines = text.split("\n");
  return lines.slice(0, line).reduce((sum, l) => sum + l.length + 1, 0) + character;
}

export async function until<T>(get: () => Promise<T | undefined>, timeout = 20_000): Promise<T> {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await get();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error("waited in vain");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
