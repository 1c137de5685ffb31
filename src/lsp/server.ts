/** The language server: the protocol on one side, documents and features on the other. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import {
  CodeActionKind,
  type Connection,
  type InitializeParams,
  type InitializeResult,
  MessageType,
  ResponseError,
  TextDocumentSyncKind,
  TextDocuments,
} from "vscode-languageserver";
import { TextDocument } from "vscode-languageserver-textdocument";
import { Analysis } from "./analysis.js";
import { Document } from "./document.js";
import { completion } from "./features/completion.js";
import { formatting } from "./features/formatting.js";
import { inlayHints, lenses, reportCommand } from "./features/hints.js";
import { hover } from "./features/hover.js";
import { definition, highlights, references, rename, renameTarget } from "./features/navigation.js";
import { documentSymbols, folding, workspaceSymbols } from "./features/outline.js";
import { type Placing, problems, quickFixes } from "./features/problems.js";
import { semanticTokens, tokenModifiers, tokenTypes } from "./features/semantic-tokens.js";
import { Project, toPath } from "./project.js";

export interface ServerOptions {
  readonly connection: Connection;
  readonly version: string;
  /** The folder that holds `std/`. */
  readonly std: string;
  /** Starts a thread that answers `AnalysisRequest`s. */
  readonly spawn: () => Worker;
}

/** Code of LSP for a request that is legal but cannot be done. */
const requestFailed = -32803;

export function serve({ connection, version, std, spawn }: ServerOptions): void {
  const project = new Project(std, []);
  const texts = new TextDocuments(TextDocument);
  /** The folder of reports, made when the first is asked for. */
  let pages: string | undefined;
  let client = { snippets: false, inlayRefresh: false, lensRefresh: false, showDocument: false, watch: false };

  const analysis = new Analysis(
    project,
    spawn,
    (document, what) => {
      const findings = analysis.of(document);
      if (findings === undefined) return;
      void connection.sendDiagnostics({
        uri: document.uri,
        version: document.version,
        diagnostics: [...problems(document, findings, placing(document))],
      });
      if (what === "planned" || findings.checked.meaning === undefined) refresh();
    },
    (text) => connection.console.error(text),
  );
  const refresh = (): void => {
    // An editor that cannot after all must not end the server.
    if (client.inlayRefresh) connection.languages.inlayHint.refresh().catch(() => undefined);
    if (client.lensRefresh) connection.sendRequest("workspace/codeLens/refresh").catch(() => undefined);
  };
  const say = (type: MessageType, message: string): void => {
    void connection.sendNotification("window/showMessage", { type, message });
  };
  /** Spans name files relative to the project's folder, or `std/…`. */
  const placing = (document: Document): Placing => ({
    document: (file) =>
      file.startsWith("std/")
        ? project.document(path.join(std, file))
        : project.document(path.resolve(project.rootOf(document.path), file)),
  });
  const find = (params: { readonly textDocument: { readonly uri: string } }): Document | undefined => {
    const file = toPath(params.textDocument.uri);
    return file === undefined ? undefined : project.open.get(file);
  };

  connection.onInitialize((params: InitializeParams): InitializeResult => {
    const folders = params.workspaceFolders?.map((f) => f.uri) ?? (params.rootUri == null ? [] : [params.rootUri]);
    project.roots = folders.flatMap((uri) => toPath(uri) ?? []);
    const { textDocument, workspace, window } = params.capabilities;
    client = {
      snippets: textDocument?.completion?.completionItem?.snippetSupport === true,
      inlayRefresh: workspace?.inlayHint?.refreshSupport === true,
      lensRefresh: workspace?.codeLens?.refreshSupport === true,
      showDocument: window?.showDocument?.support === true,
      watch: workspace?.didChangeWatchedFiles?.dynamicRegistration === true,
    };
    return {
      serverInfo: { name: "llmp", version },
      capabilities: {
        textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: true },
        completionProvider: { triggerCharacters: ["=", " ", "|", ":", '"', "<", "{", "/"] },
        hoverProvider: true,
        definitionProvider: true,
        referencesProvider: true,
        documentHighlightProvider: true,
        renameProvider: { prepareProvider: true },
        documentSymbolProvider: true,
        workspaceSymbolProvider: true,
        foldingRangeProvider: true,
        documentFormattingProvider: true,
        inlayHintProvider: true,
        codeLensProvider: { resolveProvider: false },
        codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix, `${CodeActionKind.SourceFixAll}.llmp`] },
        semanticTokensProvider: {
          legend: { tokenTypes: [...tokenTypes], tokenModifiers: [...tokenModifiers] },
          full: true,
          range: true,
        },
        executeCommandProvider: { commands: [reportCommand] },
        workspace: { workspaceFolders: { supported: true, changeNotifications: true } },
      },
    };
  });

  connection.onInitialized(() => {
    if (client.watch)
      connection
        .sendRequest("client/registerCapability", {
          registrations: [
            {
              id: "llmp-files",
              method: "workspace/didChangeWatchedFiles",
              registerOptions: { watchers: [{ globPattern: "**/*.llmp" }] },
            },
          ],
        })
        .catch(() => undefined);
    connection.workspace.onDidChangeWorkspaceFolders?.(({ added, removed }) => {
      const gone = new Set(removed.map((f) => toPath(f.uri)));
      project.roots = [...project.roots.filter((r) => !gone.has(r)), ...added.flatMap((f) => toPath(f.uri) ?? [])];
    });
  });

  texts.onDidChangeContent(({ document: text }) => {
    const file = toPath(text.uri);
    if (file === undefined) return;
    const before = project.open.get(file);
    project.open.set(file, new Document(file, text.uri, text.getText(), text.version, before));
    analysis.changed(file, before === undefined ? 0 : undefined);
    // Files that import this one see it as it is now.
    for (const other of project.open.values())
      if (other.path !== file && project.closure(other).some((d) => d.path === file)) analysis.changed(other.path);
  });
  texts.onDidClose(({ document: text }) => {
    const file = toPath(text.uri);
    if (file === undefined) return;
    project.open.delete(file);
    analysis.closed(file);
    void connection.sendDiagnostics({ uri: text.uri, diagnostics: [] });
  });
  connection.onDidChangeWatchedFiles(() => {
    for (const file of project.open.keys()) analysis.changed(file);
  });

  connection.onCompletion((params) => {
    const document = find(params);
    return document === undefined ? null : [...completion(document, document.offset(params.position), project, client)];
  });
  connection.onHover((params) => {
    const document = find(params);
    return document === undefined
      ? null
      : (hover(document, document.offset(params.position), project, analysis.of(document)) ?? null);
  });
  connection.onDefinition((params) => {
    const document = find(params);
    return document === undefined ? null : (definition(document, document.offset(params.position), project) ?? null);
  });
  connection.onReferences((params) => {
    const document = find(params);
    return document === undefined
      ? null
      : [...references(document, document.offset(params.position), project, params.context.includeDeclaration)];
  });
  connection.onDocumentHighlight((params) => {
    const document = find(params);
    return document === undefined ? null : [...highlights(document, document.offset(params.position), project)];
  });
  connection.onPrepareRename((params) => {
    const document = find(params);
    if (document === undefined) return null;
    const found = renameTarget(document, document.offset(params.position), project);
    if (typeof found === "string") return new ResponseError(requestFailed, found);
    return document.range(found.start, found.end);
  });
  connection.onRenameRequest((params) => {
    const document = find(params);
    if (document === undefined) return null;
    const edit = rename(document, document.offset(params.position), params.newName, project);
    return typeof edit === "string" ? new ResponseError(requestFailed, edit) : edit;
  });
  connection.onDocumentSymbol((params) => {
    const document = find(params);
    return document === undefined ? null : [...documentSymbols(document)];
  });
  connection.onWorkspaceSymbol(({ query }) => [...workspaceSymbols(query, project)]);
  connection.onFoldingRanges((params) => {
    const document = find(params);
    return document === undefined ? null : [...folding(document)];
  });
  connection.onDocumentFormatting((params) => {
    const document = find(params);
    return document === undefined ? null : [...formatting(document)];
  });
  connection.languages.inlayHint.on((params) => {
    const document = find(params);
    if (document === undefined) return null;
    return [
      ...inlayHints(
        document,
        document.offset(params.range.start),
        document.offset(params.range.end),
        analysis.of(document),
      ),
    ];
  });
  connection.onCodeLens((params) => {
    const document = find(params);
    return document === undefined ? null : [...lenses(document, analysis.of(document))];
  });
  connection.onCodeAction((params) => {
    const document = find(params);
    if (document === undefined) return null;
    const { only } = params.context;
    const all = quickFixes(
      document,
      document.offset(params.range.start),
      document.offset(params.range.end),
      analysis.of(document),
      placing(document),
    );
    return all.filter(
      (a) => only === undefined || only.some((kind) => a.kind === kind || a.kind?.startsWith(`${kind}.`) === true),
    );
  });
  connection.languages.semanticTokens.on((params) => {
    const document = find(params);
    return { data: document === undefined ? [] : semanticTokens(document, project.scope(document)) };
  });
  connection.languages.semanticTokens.onRange((params) => {
    const document = find(params);
    if (document === undefined) return { data: [] };
    return {
      data: semanticTokens(
        document,
        project.scope(document),
        document.offset(params.range.start),
        document.offset(params.range.end),
      ),
    };
  });

  connection.onExecuteCommand(async ({ command, arguments: args }) => {
    const uri: unknown = args?.[0];
    if (command !== reportCommand || typeof uri !== "string") return null;
    const document = find({ textDocument: { uri } });
    if (document === undefined) return null;
    const reply = await analysis.report(document);
    if (reply?.page === undefined) {
      say(
        MessageType.Warning,
        reply?.failure ?? "There is no plan while the file has errors or nothing fits: see the problems.",
      );
      return null;
    }
    pages ??= mkdtempSync(path.join(tmpdir(), "llmp-report-"));
    const page = path.join(pages, `${path.basename(document.path, ".llmp")}.html`);
    writeFileSync(page, reply.page);
    const target = pathToFileURL(page).href;
    // An editor that shows the page itself says so.
    if (args?.[2] === false) return target;
    if (client.showDocument)
      await connection.window.showDocument({ uri: target, external: true }).catch(() => undefined);
    else say(MessageType.Info, `The plan's page: ${page}`);
    return target;
  });

  connection.onShutdown(async () => {
    await analysis.stop();
    if (pages !== undefined) rmSync(pages, { recursive: true, force: true });
  });
  texts.listen(connection);
  connection.listen();
}
