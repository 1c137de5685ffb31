import { readFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "./host.js";

/** The page of a code: bundled in dist/errors.json, or docs/errors in a checkout. */
export function errorPage(code: string): string | undefined {
  const root = packageRoot();
  try {
    return readFileSync(path.join(root, "docs/errors", `${code}.md`), "utf8");
  } catch {
    try {
      const pages = JSON.parse(readFileSync(path.join(root, "dist/errors.json"), "utf8")) as Record<string, string>;
      return pages[code];
    } catch {
      return undefined;
    }
  }
}
