/** What `npm pack` would put into the archive: all that users need and nothing else. (`npm run try-package` installs it.) */
import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { root } from "../built.js";

interface Packed {
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

it("the archive holds what is needed, and is small", async () => {
  // A script without types.
  const rules: string = "../../scripts/package-rules.mjs";
  const { misplaced } = (await import(rules)) as { misplaced: (files: readonly string[]) => string[] };
  const out = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8" });
  const [packed] = JSON.parse(out) as readonly Packed[];
  // Declarations are made when the archive is (`prepare`), not for tests.
  const problems = misplaced(packed?.files.map((f) => f.path) ?? []).filter((p) => !p.startsWith("dist/types/"));
  expect(problems).toEqual([]);
  expect(packed?.size).toBeLessThan(3_000_000);
  expect(misplaced(["dist/llmp.js", "src/index.ts"])).toContain("src/index.ts is not for users");
});
