/** The built command, built anew where the sources are newer. */
import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

const newest = (folder: string): number =>
  Math.max(
    ...readdirSync(folder, { withFileTypes: true }).map((e) => {
      const at = path.join(folder, e.name);
      return e.isDirectory() ? newest(at) : statSync(at).mtimeMs;
    }),
  );

/** Path of `dist/llmp.js`. */
export function built(): string {
  const file = path.join(root, "dist/llmp.js");
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined || stat.mtimeMs < newest(path.join(root, "src")))
    execFileSync(process.execPath, [path.join(root, "scripts/build.mjs")], { cwd: root, stdio: "ignore" });
  return file;
}
