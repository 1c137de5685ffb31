/** The plan's page beside the file, made anew on save. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as vscode from "vscode";

export class PlanPanel implements vscode.Disposable {
  #panel: vscode.WebviewPanel | undefined;
  #uri: string | undefined;

  /** `ask` plans a file and answers with the address of its page, or null where there is no plan. */
  constructor(readonly ask: (uri: string) => Promise<unknown>) {}

  async refresh(uri: string): Promise<void> {
    const page = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: "llmp: planning" },
      () => this.ask(uri),
    );
    if (typeof page === "string") await this.show(page, uri);
  }

  async show(page: string, uri: string): Promise<void> {
    const text = await readFile(fileURLToPath(page), "utf8");
    if (this.#panel === undefined) {
      this.#panel = vscode.window.createWebviewPanel(
        "llmp.plan",
        "Plan",
        { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
        // The page brings its script and asks no network; it may read no file.
        { enableScripts: true, localResourceRoots: [], retainContextWhenHidden: true },
      );
      this.#panel.onDidDispose(() => {
        this.#panel = undefined;
      });
    }
    this.#uri = uri;
    this.#panel.title = `Plan of ${uri.replace(/^.*\//, "")}`;
    this.#panel.webview.html = themed(text);
  }

  saved(uri: string): void {
    if (this.#panel?.visible === true && uri === this.#uri) void this.refresh(uri);
  }

  dispose(): void {
    this.#panel?.dispose();
  }
}

/** The editor's theme decides, not the system's. No network, whatever the page says. */
function themed(page: string): string {
  const { kind } = vscode.window.activeColorTheme;
  const dark = kind === vscode.ColorThemeKind.Dark || kind === vscode.ColorThemeKind.HighContrast;
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">`;
  return page
    .replace("<head>", `<head>${policy}`)
    .replace("@media(prefers-color-scheme:dark)", dark ? "@media all" : "@media not all");
}
