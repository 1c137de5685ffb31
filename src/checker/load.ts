/** A file and all that it imports, each once, imports before importers. */
import { type Details, type Diagnostic, nameCodes } from "../diagnostics/index.js";
import type { Ast, ImportItem } from "../parser/ast.js";
import { parse } from "../parser/index.js";
import type { Host } from "../text/index.js";
import { families } from "./bundled.js";
import { nearestHint } from "./hints.js";
import { folderOf, inProject, join } from "./paths.js";

export interface LoadedFile {
  readonly path: string;
  readonly ast: Ast;
  /** Absent where the host cannot tell (standard input). */
  readonly text?: string;
  /** Bundled families; what they declare enters the pipeline only where it is used. */
  readonly bundled: boolean;
}

function familyHint(name: string, item: ImportItem): Details {
  const { fixes = [], ...rest } = nearestHint(name, families, item.path.span);
  const quoted = fixes.map((fix) => ({
    ...fix,
    edits: fix.edits.map((edit) => ({ ...edit, text: `"std/${edit.text}"` })),
  }));
  return { ...rest, fixes: quoted };
}

export function load(root: Ast, host: Host, report: (d: Diagnostic) => void): readonly LoadedFile[] {
  const done = new Map<string, LoadedFile>();
  const open: string[] = [];

  const visit = (path: string, ast: Ast, text: string | undefined): void => {
    open.push(path);
    for (const item of ast.items) if (item.kind === "import") follow(item, path);
    open.pop();
    done.set(path, { path, ast, ...(text === undefined ? {} : { text }), bundled: path.startsWith("std/") });
  };

  const follow = (item: ImportItem, from: string): void => {
    const written = item.path.value;
    const bundled = /^std\/([^/]+?)(\.llmp)?$/.exec(written);
    const path = bundled !== null ? `std/${bundled[1]}.llmp` : join(folderOf(from), written);
    const span = item.path.span;
    if (bundled === null && !inProject(path, root.file)) {
      report(
        nameCodes.report(
          "LLMP1009",
          span,
          { path: written },
          {
            hints: ["imports stay within the project, so that it can be moved and submitted as a whole"],
          },
        ),
      );
      return;
    }
    if (open.includes(path)) {
      const chain = [...open.slice(open.indexOf(path)), path].join(" → ");
      report(nameCodes.report("LLMP1008", span, { path: written, chain }));
      return;
    }
    if (done.has(path)) return;
    const text = host.read(path);
    if (text === undefined) {
      if (bundled !== null)
        report(nameCodes.report("LLMP1016", span, { name: written }, familyHint(bundled[1] ?? "", item)));
      else report(nameCodes.report("LLMP1007", span, { path: written }, { hints: [`looked for ${path}`] }));
      return;
    }
    const parsed = parse({ path, text });
    for (const diagnostic of parsed.diagnostics) report(diagnostic);
    if (parsed.value !== undefined) visit(path, parsed.value, text);
  };

  visit(root.file, root, host.read(root.file));
  return [...done.values()];
}
