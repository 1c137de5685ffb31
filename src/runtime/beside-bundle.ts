/** Programs of threads: files of their own, built beside the bundle that starts them. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** @param name of the file; the bundle may lie in a folder below it */
export function besideBundle(name: string): string {
  const places = [`./${name}`, `../${name}`].map((p) => fileURLToPath(new URL(p, import.meta.url)));
  const found = places.find((p) => existsSync(p));
  if (found === undefined) throw new Error(`${name} is not beside this bundle`);
  return found;
}
