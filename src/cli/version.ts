import { readFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "./host.js";

declare const LLMP_VERSION: string | undefined;

/** Written in at build time; from source, that of package.json. */
export function version(): string {
  if (typeof LLMP_VERSION === "string") return LLMP_VERSION;
  const { version: found } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as {
    version: string;
  };
  return found;
}
