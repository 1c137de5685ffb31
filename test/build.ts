/** Builds dist/ for the tests of the real command line, where a source is newer than it; and a temporary folder for all of them. */
import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { ownTemporaryFolder } from "./temporary.js";

const built = "dist/llmp.js";
const sources = ["src", "docs/errors", "scripts/build.mjs", "package.json"];

export default function setup(): () => void {
  const at = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (sources.some((source) => newest(source) > at)) execFileSync(process.execPath, ["scripts/build.mjs"]);
  return ownTemporaryFolder();
}

function newest(at: string): number {
  const stat = statSync(at, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(...readdirSync(at).map((name) => newest(path.join(at, name))), stat.mtimeMs);
}
