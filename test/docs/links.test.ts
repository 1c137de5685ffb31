/** Links between pages lead somewhere. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

function* pages(at: string): Generator<string> {
  for (const entry of readdirSync(at, { withFileTypes: true })) {
    const here = path.join(at, entry.name);
    if (entry.isDirectory()) yield* pages(here);
    else if (entry.name.endsWith(".md")) yield here;
  }
}

it.each(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "editors/vscode/README.md", ...pages("docs")])(
  "%s",
  (page) => {
    const text = readFileSync(page, "utf8").replace(/^```[\s\S]*?^```$/gm, "");
    const links = [...text.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)].map((m) => m[1] ?? m[2] ?? "");
    const dead = links
      .filter((l) => !/^([a-z]+:|#)/.test(l))
      .filter((l) => !existsSync(path.join(path.dirname(page), l.replace(/#.*$/, ""))));
    expect(dead).toEqual([]);
  },
);
