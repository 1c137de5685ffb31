/** Starts `llmp lsp`, and shows the plan in a panel beside the file. */
import { existsSync } from "node:fs";
import path from "node:path";
import * as vscode from "vscode";
import { LanguageClient, type ServerOptions } from "vscode-languageclient/node";
import { PlanPanel } from "./panel.js";

let client: LanguageClient | undefined;

/** The setting, else the workspace's own llmp, else the one on the path. */
function server(): ServerOptions {
  const [command, ...args] = vscode.workspace.getConfiguration("llmp").get<string[]>("server.command") ?? [];
  if (command !== undefined) return { command, args };
  for (const folder of vscode.workspace.workspaceFolders ?? [])
    for (const own of ["node_modules/llmp/dist/llmp.js", "dist/llmp.js"]) {
      const file = path.join(folder.uri.fsPath, own);
      // A checkout of llmp itself has its command under dist/.
      if (existsSync(file) && (own.startsWith("node_modules") || existsSync(path.join(folder.uri.fsPath, "std"))))
        return { command: "node", args: [file, "lsp"] };
    }
  return { command: "llmp", args: ["lsp"] };
}

async function start(panel: PlanPanel): Promise<void> {
  client = new LanguageClient("llmp", "llmp", server(), {
    documentSelector: [{ language: "llmp", scheme: "file" }],
    middleware: {
      // The lens opens the panel here; other editors get a page in the browser.
      executeCommand: async (command, args, next) => {
        if (command !== "llmp.report") return next(command, args);
        const page: unknown = await next(command, [...args.slice(0, 2), false]);
        if (typeof page === "string") await panel.show(page, String(args[0]));
        return page;
      },
    },
  });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const choice = await vscode.window.showErrorMessage(
      `llmp's language server does not start: ${error instanceof Error ? error.message : String(error)}. Install it with \`npm install llmp\`, or name it in the settings.`,
      "Open settings",
    );
    if (choice !== undefined) await vscode.commands.executeCommand("workbench.action.openSettings", "llmp.server");
  }
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const ask = (uri: string): Promise<unknown> =>
    client === undefined
      ? Promise.resolve(undefined)
      : client.sendRequest("workspace/executeCommand", { command: "llmp.report", arguments: [uri, undefined, false] });
  const panel = new PlanPanel(ask);
  context.subscriptions.push(
    panel,
    vscode.commands.registerCommand("llmp.showPlan", async () => {
      const uri = vscode.window.activeTextEditor?.document.uri.toString();
      if (uri !== undefined) await panel.refresh(uri);
    }),
    vscode.commands.registerCommand("llmp.restart", async () => {
      await client?.stop();
      await start(panel);
    }),
    vscode.workspace.onDidSaveTextDocument((document) => panel.saved(document.uri.toString())),
  );
  if (vscode.workspace.isTrusted) await start(panel);
  else context.subscriptions.push(vscode.workspace.onDidGrantWorkspaceTrust(() => void start(panel)));
}

export async function deactivate(): Promise<void> {
  await client?.stop();
}
