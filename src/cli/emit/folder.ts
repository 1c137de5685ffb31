/** Writes an emitted folder whole or not at all, and never over files that it did not write. */
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { type Diagnostic, emitCodes } from "../../diagnostics/index.js";
import type { EmittedFile } from "../../emit/index.js";

const marker = ".llmp-emitted.json";
const digest = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex").slice(0, 16);

function walk(folder: string, root = folder): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() && !e.isSymbolicLink()
      ? walk(join(folder, e.name), root)
      : [relative(root, join(folder, e.name)).split(sep).join("/")],
  );
}

/** The first file that is not ours, or was changed since we wrote it. */
function foreign(folder: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  if (!statSync(folder).isDirectory()) return ".";
  const files = walk(folder).filter((f) => f !== marker);
  let known: Record<string, string> = {};
  try {
    known = JSON.parse(readFileSync(join(folder, marker), "utf8")) as Record<string, string>;
  } catch {
    // No marker: nothing here is ours.
  }
  return files.find((f) => known[f] !== digest(readFileSync(join(folder, f))));
}

export function writeFolder(folder: string, files: readonly EmittedFile[], force: boolean): Diagnostic | undefined {
  const target = resolve(folder);
  const other = force ? undefined : foreign(target);
  if (other !== undefined)
    return emitCodes.report(
      "LLMP5006",
      undefined,
      { directory: folder, file: other },
      {
        hints: ["name another folder with -d, or --force to replace it"],
      },
    );
  mkdirSync(dirname(target), { recursive: true });
  const fresh = join(dirname(target), `.llmp-emit-${randomBytes(6).toString("hex")}`);
  try {
    const sums: Record<string, string> = {};
    for (const file of files) {
      const path = join(fresh, file.path);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, file.text);
      if (file.executable === true) chmodSync(path, 0o755);
      sums[file.path] = digest(file.text);
    }
    mkdirSync(fresh, { recursive: true });
    writeFileSync(join(fresh, marker), `${JSON.stringify(sums, null, 2)}\n`);
    if (existsSync(target)) {
      const old = `${fresh}-old`;
      renameSync(target, old);
      try {
        renameSync(fresh, target);
      } catch (error) {
        renameSync(old, target);
        throw error;
      }
      rmSync(old, { recursive: true, force: true });
    } else renameSync(fresh, target);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return undefined;
}
