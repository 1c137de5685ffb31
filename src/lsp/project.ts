/** The files that a document can see: open ones as the editor has them, the others from disk, each parsed once per content. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Item } from "../parser/ast.js";
import { Document } from "./document.js";
import type { Site } from "./sites.js";

export interface Declaration {
  /** `model`, `train`…, `param`, `let`. */
  readonly kind: string;
  readonly name: string;
  readonly item: Item;
  readonly document: Document;
  /** Of the name, in the document. */
  readonly start: number;
  readonly end: number;
  /** Where the chunk of the item starts. */
  readonly base: number;
}

export interface Scope {
  readonly files: readonly Document[];
  readonly values: ReadonlyMap<string, Declaration>;
  /** Kind → name → where it is declared. */
  readonly blocks: ReadonlyMap<string, ReadonlyMap<string, Declaration>>;
}

const maxFiles = 500;

export class Project {
  readonly open = new Map<string, Document>();
  readonly #disk = new Map<string, { readonly stamp: string; readonly document: Document }>();
  readonly #declared = new WeakMap<Document, readonly Declaration[]>();

  constructor(
    /** The folder that holds `std/`. */
    readonly std: string,
    public roots: readonly string[],
  ) {}

  /** The project of a file: the workspace folder around it, else its own folder. */
  rootOf(file: string): string {
    const around = this.roots.filter((r) => file.startsWith(`${r}${path.sep}`)).sort((a, b) => b.length - a.length);
    return around[0] ?? path.dirname(file);
  }

  document(file: string): Document | undefined {
    const open = this.open.get(file);
    if (open !== undefined) return open;
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() !== true) return undefined;
    const stamp = `${stat.mtimeMs} ${stat.size}`;
    const known = this.#disk.get(file);
    if (known?.stamp === stamp) return known.document;
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      return undefined;
    }
    const document = new Document(file, pathToFileURL(file).href, text, 0, known?.document);
    this.#disk.set(file, { stamp, document });
    return document;
  }

  /** Where an import leads. */
  resolve(from: Document, written: string): string {
    const bundled = /^std\/([^/]+?)(?:\.llmp)?$/.exec(written);
    if (bundled !== null) return path.join(this.std, "std", `${bundled[1]}.llmp`);
    return path.resolve(path.dirname(from.path), written);
  }

  isBundled(document: Document): boolean {
    return document.path.startsWith(path.join(this.std, "std") + path.sep);
  }

  /** The document and all that it imports, imports after importers. */
  closure(document: Document): readonly Document[] {
    const seen = new Map<string, Document>([[document.path, document]]);
    for (const one of seen.values())
      for (const { item } of one.items()) {
        if (item.kind !== "import") continue;
        const file = this.resolve(one, item.path.value);
        if (seen.has(file)) continue;
        const next = this.document(file);
        if (next !== undefined) seen.set(file, next);
      }
    return [...seen.values()];
  }

  declarations(document: Document): readonly Declaration[] {
    let known = this.#declared.get(document);
    if (known === undefined) {
      known = [...declarationsOf(document)];
      this.#declared.set(document, known);
    }
    return known;
  }

  scope(document: Document): Scope {
    const values = new Map<string, Declaration>();
    const blocks = new Map<string, Map<string, Declaration>>();
    const files = this.closure(document);
    for (const file of files)
      for (const d of this.declarations(file)) {
        if (d.kind === "param" || d.kind === "let") {
          if (!values.has(d.name)) values.set(d.name, d);
          continue;
        }
        let names = blocks.get(d.kind);
        if (names === undefined) {
          names = new Map();
          blocks.set(d.kind, names);
        }
        if (!names.has(d.name)) names.set(d.name, d);
      }
    return { files, values, blocks };
  }

  /** Every file that may name what `document` declares: itself, and the workspace's files that import it. */
  users(document: Document): readonly Document[] {
    const all = new Map<string, Document>([[document.path, document]]);
    for (const one of this.open.values()) if (this.closure(one).includes(document)) all.set(one.path, one);
    for (const root of new Set([...this.roots, this.rootOf(document.path)]))
      for (const file of this.list(root)) {
        const one = all.has(file) ? undefined : this.document(file);
        if (one !== undefined && this.closure(one).some((d) => d.path === document.path)) all.set(file, one);
      }
    return [...all.values()];
  }

  /** `.llmp` files below a folder, hidden folders and dependencies left out. */
  list(root: string): readonly string[] {
    const out: string[] = [];
    const visit = (folder: string, depth: number): void => {
      if (depth > 8 || out.length >= maxFiles) return;
      let entries: import("node:fs").Dirent[];
      try {
        entries = readdirSync(folder, { withFileTypes: true });
      } catch {
        return;
      }
      for (const e of entries) {
        if (e.name.startsWith(".") || e.name === "node_modules" || out.length >= maxFiles) continue;
        if (e.isDirectory()) visit(path.join(folder, e.name), depth + 1);
        else if (e.name.endsWith(".llmp")) out.push(path.join(folder, e.name));
      }
    };
    visit(root, 0);
    return out;
  }
}

function* declarationsOf(document: Document): Generator<Declaration> {
  for (const { item, base } of document.items()) {
    if (item.kind === "import") continue;
    const ident = item.name;
    if (ident === undefined) continue;
    const kind = item.kind === "block" ? item.keyword.text : item.kind;
    yield { kind, name: ident.text, item, document, start: base + ident.span.start, end: base + ident.span.end, base };
  }
}

/** What a place names, if it names a declaration. */
export function declarationOf(site: Site, scope: Scope): Declaration | undefined {
  const { meaning, text } = site;
  if (meaning.kind === "declaration")
    return meaning.of === "param" || meaning.of === "let"
      ? scope.values.get(text)
      : scope.blocks.get(meaning.of)?.get(text);
  if (meaning.kind !== "name") return undefined;
  const value = scope.values.get(text);
  if (value !== undefined) return value;
  for (const kind of meaning.of) {
    const found = scope.blocks.get(kind)?.get(text);
    if (found !== undefined) return found;
  }
  return undefined;
}

export const toPath = (uri: string): string | undefined => {
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
};
