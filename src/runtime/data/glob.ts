import { readdirSync } from "node:fs";
import { join } from "node:path";

/** `*`, `?`, `**`, `[a-z]`, `{a,b}` as in shells; `**` spans folders. */
export function globRegExp(pattern: string): RegExp {
  let out = "";
  let braces = 0;
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i] as string;
    if (c === "*") {
      if (pattern[i + 1] === "*") {
        i++;
        if (pattern[i + 1] === "/") {
          i++;
          out += "(?:[^/]+/)*";
        } else out += ".*";
      } else out += "[^/]*";
    } else if (c === "?") out += "[^/]";
    else if (c === "[" && pattern.indexOf("]", i + 2) > 0) {
      const end = pattern.indexOf("]", i + 2);
      const body = pattern.slice(i + 1, end).replace(/\\/g, "\\\\");
      out += `[${body.startsWith("!") ? `^${body.slice(1)}` : body}]`;
      i = end;
    } else if (c === "{") {
      braces++;
      out += "(?:";
    } else if (c === "}" && braces > 0) {
      braces--;
      out += ")";
    } else if (c === "," && braces > 0) out += "|";
    else out += c.replace(/[.+^$()|[\]\\{}]/g, "\\$&");
  }
  return new RegExp(`^${out}$`);
}

export const isGlob = (pattern: string): boolean => /[*?[{]/.test(pattern);

/** Files under `folder` that match, sorted; hidden ones only if the pattern names them. */
export function globFiles(folder: string, pattern: string): string[] {
  const absolute = pattern.startsWith("/");
  const parts = pattern.split("/");
  const fixed = parts.slice(0, Math.max(0, parts.findIndex(isGlob)));
  const start = fixed.join("/");
  const expression = globRegExp(pattern);
  const deep = parts.length - fixed.length > 1;
  const found: string[] = [];
  const walk = (relative: string) => {
    const at = absolute ? relative || "/" : join(folder, relative);
    let entries: import("node:fs").Dirent[];
    try {
      entries = readdirSync(at, { withFileTypes: true });
    } catch {
      return;
    }
    for (const entry of entries) {
      if (entry.name.startsWith(".") && !pattern.includes("/.") && !pattern.startsWith(".")) continue;
      const path = relative === "" ? entry.name : `${relative.replace(/\/$/, "")}/${entry.name}`;
      if (entry.isDirectory()) {
        if (deep) walk(path);
      } else if (expression.test(path)) found.push(path);
    }
  };
  walk(start);
  return found.sort();
}
