/** Where this user's machine keeps what llmp measured and installed. */
import { homedir } from "node:os";
import { join } from "node:path";

export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME ?? process.env.LOCALAPPDATA;
  return process.env.LLMP_CACHE ?? join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "llmp");
}
