import { createReadStream, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import type { Dataset } from "../../checker/pipeline.js";
import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import { globFiles, isGlob } from "./glob.js";
import { s3Files } from "./s3.js";
import type { DataFile } from "./types.js";

/** The files of a dataset in the order of its sources, globs sorted by name. */
export async function dataFiles(dataset: Dataset, root: string): Promise<readonly DataFile[]> {
  const files: DataFile[] = [];
  for (const source of dataset.source.value) {
    const found = source.startsWith("s3://") ? await s3Files(source) : localFiles(source, root);
    if (found.length === 0)
      fail(
        runCodes.report(
          "LLMP6103",
          dataset.source.span,
          { dataset: dataset.name, source },
          {
            hints: source.startsWith("s3://") ? [] : [`paths are relative to ${root}`],
          },
        ),
      );
    files.push(...found);
  }
  return files;
}

function localFiles(source: string, root: string): DataFile[] {
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(root, path));
  const plain = statSync(absolute(source), { throwIfNoEntry: false });
  if (plain?.isFile()) return [localFile(source, absolute(source))];
  if (plain?.isDirectory())
    return globFiles(root, `${source.replace(/\/+$/, "")}/**/*`).map((p) => localFile(p, absolute(p)));
  return isGlob(source) ? globFiles(root, source).map((path) => localFile(path, absolute(path))) : [];
}

export function localFile(shown: string, path: string): DataFile {
  const stat = statSync(path);
  return {
    path: shown,
    size: stat.size,
    stamp: String(Math.round(stat.mtimeMs)),
    stream: () => createReadStream(path, { highWaterMark: 1 << 20 }),
    range: async (start, end) => {
      const handle = await open(path, "r");
      try {
        const out = Buffer.alloc(end - start);
        let at = 0;
        while (at < out.length) {
          const { bytesRead } = await handle.read(out, at, out.length - at, start + at);
          if (bytesRead === 0) throw new Error(`the file ends at byte ${start + at}`);
          at += bytesRead;
        }
        return out;
      } finally {
        await handle.close();
      }
    },
  };
}
