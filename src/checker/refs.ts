/** Names of other blocks. */
import { nameCodes } from "../diagnostics/index.js";
import { bundledHardware } from "../hardware/index.js";
import type { Span } from "../text/index.js";
import type { Context } from "./context.js";
import { nearestHint } from "./hints.js";
import { predefinedNames } from "./predefined.js";
import type { Read } from "./typed.js";

export function resolveRef(name: string, span: Span, kinds: readonly string[], context: Context): Read | undefined {
  const known: string[] = [];
  for (const kind of kinds) {
    const declared = context.scope.blocks.get(kind);
    if (declared?.has(name) === true) return { kind: "word", value: name, block: kind, span };
    const more = elsewhere(kind);
    if (more.includes(name)) return { kind: "word", value: name, block: kind, span };
    known.push(...(declared?.keys() ?? []), ...more);
  }
  const details = nearestHint(name, known, span);
  const missing = kinds.includes("model") ? ['model families come with `import "std/…"`: see `llmp ls std`'] : [];
  context.report(
    nameCodes.report(
      "LLMP1004",
      span,
      { kind: kinds.join(" or "), name },
      { ...details, hints: [...(details.hints ?? []), ...(details.fixes === undefined ? missing : [])] },
    ),
  );
  return undefined;
}

/** Names that need no declaration: predefined precisions, bundled instances and accelerators. */
function elsewhere(kind: string): readonly string[] {
  if (kind === "instance") return [...Object.keys(bundledHardware().instances), "local"];
  if (kind === "accelerator") return Object.keys(bundledHardware().accelerators);
  return predefinedNames(kind);
}
