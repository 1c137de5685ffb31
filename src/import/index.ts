/** Configurations of other tools as `.llmp` text. Pure: what must be read comes through the host. */
import { type Diagnostic, hasErrors, importCodes, type Outcome } from "../diagnostics/index.js";
import { axolotl } from "./axolotl.js";
import { megatron } from "./megatron.js";
import { recipe } from "./recipe.js";
import { torchtitan } from "./torchtitan.js";
import { trl } from "./trl.js";
import type { Draft, Importer, ImportHost, ImportSource } from "./types.js";
import { writeDraft } from "./write.js";

export type { Importer, ImportHost, ImportSource } from "./types.js";

/** In the order in which they are asked: the ones with the surest marks first. */
export const importers: readonly Importer[] = [recipe, torchtitan, megatron, axolotl, trl];

export const importerOf = (source: ImportSource): Importer | undefined => importers.find((i) => i.detects(source));

export function importConfig(importer: Importer, source: ImportSource, host: ImportHost): Outcome<string> {
  const diagnostics: Diagnostic[] = [];
  let draft: Draft | undefined;
  try {
    draft = importer.read(source, host, diagnostics);
  } catch (error) {
    // Only the YAML and TOML parsers throw, at text that is neither.
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    diagnostics.push(importCodes.report("LLMP7001", undefined, { path: source.path, why }));
    return { diagnostics };
  }
  if (draft === undefined) {
    if (!hasErrors(diagnostics))
      diagnostics.push(
        importCodes.report("LLMP7001", undefined, { path: source.path, why: `it does not hold ${importer.title}` }),
      );
    return { diagnostics };
  }
  const text = writeDraft(draft, host, source.path, diagnostics);
  return hasErrors(diagnostics) ? { diagnostics } : { value: text, diagnostics };
}
