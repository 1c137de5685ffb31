/** Where the checkout and its built command are; `build.ts` builds it before the tests where a source is newer. */
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const program = path.join(root, "dist/llmp.js");
