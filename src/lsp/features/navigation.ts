/** Definition, references, rename, highlights: all from which declaration a word names. */
import {
  type DocumentHighlight,
  DocumentHighlightKind,
  type Location,
  type TextEdit,
  type WorkspaceEdit,
} from "vscode-languageserver";
import { blockByKeyword } from "../../schema/index.js";
import type { Document } from "../document.js";
import { type Declaration, declarationOf, type Project, type Scope } from "../project.js";

export function definition(document: Document, offset: number, project: Project): Location | undefined {
  const found = document.siteAt(offset);
  if (found === undefined) return undefined;
  const { site } = found;
  if (site.meaning.kind === "string" && site.meaning.import === true) {
    const target = project.document(project.resolve(document, site.text.slice(1, -1)));
    return target === undefined ? undefined : { uri: target.uri, range: target.range(0, 0) };
  }
  const scope = project.scope(document);
  const d =
    site.meaning.kind === "property"
      ? propertyOf(site.meaning.of, site.meaning.key, scope)
      : declarationOf(site, scope);
  return d === undefined ? undefined : { uri: d.document.uri, range: d.document.range(d.start, d.end) };
}

/** `student.layers`: the key in the block or in the nearest parent that has it. */
function propertyOf(
  name: string,
  key: string,
  scope: Scope,
): { readonly document: Document; readonly start: number; readonly end: number } | undefined {
  for (const blocks of scope.blocks.values()) {
    const seen = new Set<Declaration>();
    for (let d = blocks.get(name); d !== undefined && !seen.has(d); ) {
      seen.add(d);
      if (d.item.kind !== "block") break;
      const entry = d.item.body.entries.find((e) => e.kind === "pair" && e.key.text === key);
      if (entry?.kind === "pair")
        return { document: d.document, start: d.base + entry.key.span.start, end: d.base + entry.key.span.end };
      d = d.item.parent === undefined ? undefined : blocks.get(d.item.parent.text);
    }
  }
  return undefined;
}

const same = (a: Declaration | undefined, b: Declaration): boolean =>
  a !== undefined && a.document.path === b.document.path && a.start === b.start;

/** Places in a file that name the declaration, its own name included. */
function placesIn(
  file: Document,
  target: Declaration,
  project: Project,
): readonly { readonly start: number; readonly end: number }[] {
  const scope = project.scope(file);
  const out: { start: number; end: number }[] = [];
  for (const { chunk, start } of file.placed) {
    // Most chunks do not hold the word at all.
    if (!chunk.text.includes(target.name)) continue;
    for (const site of chunk.sites)
      if (site.text === target.name && same(declarationOf(site, scope), target))
        out.push({ start: start + site.start, end: start + site.end });
  }
  return out;
}

export function references(
  document: Document,
  offset: number,
  project: Project,
  declaration: boolean,
): readonly Location[] {
  const target = targetAt(document, offset, project);
  if (target === undefined) return [];
  return project
    .users(target.document)
    .flatMap((file) => placesIn(file, target, project).map((p) => ({ file, ...p })))
    .filter((p) => declaration || p.file.path !== target.document.path || p.start !== target.start)
    .map(({ file, start, end }) => ({ uri: file.uri, range: file.range(start, end) }));
}

export function highlights(document: Document, offset: number, project: Project): readonly DocumentHighlight[] {
  const target = targetAt(document, offset, project);
  if (target === undefined) return [];
  return placesIn(document, target, project).map(({ start, end }) => ({
    range: document.range(start, end),
    kind:
      target.document === document && start === target.start ? DocumentHighlightKind.Write : DocumentHighlightKind.Read,
  }));
}

function targetAt(document: Document, offset: number, project: Project): Declaration | undefined {
  const found = document.siteAt(offset);
  return found === undefined ? undefined : declarationOf(found.site, project.scope(document));
}

/** What would be renamed, or why not. */
export function renameTarget(
  document: Document,
  offset: number,
  project: Project,
): { readonly target: Declaration; readonly start: number; readonly end: number } | string {
  const found = document.siteAt(offset);
  const target = targetAt(document, offset, project);
  if (found === undefined || target === undefined)
    return "only names of blocks, params and lets of your files can be renamed";
  if (project.isBundled(target.document))
    return `\`${target.name}\` is bundled with llmp: inherit from it under a name of your own`;
  return { target, start: found.start, end: found.end };
}

export function rename(document: Document, offset: number, name: string, project: Project): WorkspaceEdit | string {
  const found = renameTarget(document, offset, project);
  if (typeof found === "string") return found;
  const { target } = found;
  if (!/^[A-Za-z_]\w*(?:-\w+)*$/.test(name))
    return `\`${name}\` is not a name: letters, digits, _ and -, not beginning with a digit`;
  if (["auto", "true", "false", "every", "from", "import", "param", "let"].includes(name))
    return `\`${name}\` is a word of the language`;
  const scope = project.scope(target.document);
  const group = target.kind === "mix" || target.kind === "dataset" ? ["mix", "dataset"] : [target.kind];
  const taken = scope.values.has(name) || group.some((kind) => scope.blocks.get(kind)?.has(name) === true);
  if (taken && name !== target.name) return `\`${name}\` is declared already`;
  if (target.kind !== "param" && target.kind !== "let" && blockByKeyword(target.kind)?.named !== true)
    return "it has no name";
  const changes: Record<string, TextEdit[]> = {};
  for (const file of project.users(target.document)) {
    const edits = placesIn(file, target, project).map(({ start, end }) => ({
      range: file.range(start, end),
      newText: name,
    }));
    if (edits.length > 0) changes[file.uri] = edits;
  }
  return { changes };
}
