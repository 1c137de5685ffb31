/** The outside, as the pure stages see it. Paths are relative to the working folder, with `/`. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Host, SourceFile } from "../text/index.js";

/** The folder of the package: one above `dist/` when built, two above this file from source. */
export function packageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  for (let i = 0; i < 4; i++) {
    if (exists(path.join(folder, "std")) && exists(path.join(folder, "package.json"))) return folder;
    folder = path.dirname(folder);
  }
  return folder;
}

const exists = (file: string): boolean => statSync(file, { throwIfNoEntry: false }) !== undefined;

export interface NodeHost extends Host {
  /** Every text that was read, for the renderer of diagnostics. */
  readonly sources: ReadonlyMap<string, SourceFile>;
  /** A text that is in no file (standard input), or an editor's unsaved one. */
  readonly put: (path: string, text: string) => void;
}

export function nodeHost(cwd: string = process.cwd()): NodeHost {
  const sources = new Map<string, SourceFile>();
  const put = (file: string, text: string): void => {
    sources.set(file, { path: file, text });
  };
  let root: string | undefined;
  return {
    sources,
    put,
    read: (file) => {
      const known = sources.get(file);
      if (known !== undefined) return known.text;
      let from = cwd;
      if (file.startsWith("std/")) {
        root ??= packageRoot();
        from = root;
      }
      try {
        const text = readFileSync(path.resolve(from, file), "utf8");
        put(file, text);
        return text;
      } catch {
        return undefined;
      }
    },
    glob: (pattern) => glob(cwd, pattern),
    now: () => Date.now(),
    sha256: (text) => createHash("sha256").update(text, "utf8").digest("hex"),
    size: (file) => {
      try {
        const stat = statSync(path.resolve(cwd, file));
        return stat.isFile() ? stat.size : undefined;
      } catch {
        return undefined;
      }
    },
  };
}

/** `*`, `?`, `**` and `{a,b}`; files only, sorted. */
export function glob(cwd: string, pattern: string): readonly string[] {
  const absolute = pattern.startsWith("/");
  const found = expandBraces(pattern).flatMap((one) =>
    walk(
      absolute ? "/" : cwd,
      "",
      one.split("/").filter((p) => p !== "" && p !== "."),
    ),
  );
  return [...new Set(found)].map((f) => (absolute ? `/${f}` : f)).sort();
}

function expandBraces(pattern: string): string[] {
  const match = /^(.*?)\{([^{}]*)\}(.*)$/s.exec(pattern);
  if (match === null) return [pattern];
  return (match[2] ?? "").split(",").flatMap((part) => expandBraces(`${match[1]}${part}${match[3]}`));
}

function walk(root: string, at: string, parts: readonly string[]): string[] {
  const [head, ...rest] = parts;
  if (head === undefined) return [];
  const join = (name: string): string => (at === "" ? name : `${at}/${name}`);
  if (!/[*?]/.test(head)) {
    const next = join(head);
    const stat = statSync(path.join(root, next), { throwIfNoEntry: false });
    if (stat === undefined) return [];
    return rest.length === 0 ? (stat.isFile() ? [next] : []) : stat.isDirectory() ? walk(root, next, rest) : [];
  }
  const deep = head === "**";
  const matcher = new RegExp(
    `^${head
      .replace(/[.+^$()|[\]\\]/g, "\\$&")
      .replace(/\*+/g, "[^/]*")
      .replace(/\?/g, "[^/]")}$`,
  );
  let entries: { name: string; isDirectory(): boolean; isFile(): boolean; isSymbolicLink(): boolean }[];
  try {
    entries = readdirSync(path.join(root, at), { withFileTypes: true });
  } catch {
    return [];
  }
  const out: string[] = deep ? walk(root, at, rest) : [];
  for (const entry of entries) {
    if (entry.name.startsWith(".") && !head.startsWith(".")) continue;
    const next = join(entry.name);
    const linked = entry.isSymbolicLink() ? statSync(path.join(root, next), { throwIfNoEntry: false }) : undefined;
    const folder = entry.isDirectory() || (!deep && linked?.isDirectory() === true);
    const file = entry.isFile() || linked?.isFile() === true;
    if (deep) {
      if (entry.isDirectory()) out.push(...walk(root, next, parts));
      else if (rest.length === 0 && file) out.push(next);
    } else if (matcher.test(entry.name)) {
      if (rest.length === 0) {
        if (file) out.push(next);
      } else if (folder) out.push(...walk(root, next, rest));
    }
  }
  return out;
}
