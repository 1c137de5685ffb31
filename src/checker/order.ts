/** Stages after the ones that they start from. */
import { nameCodes } from "../diagnostics/index.js";
import type { Context } from "./context.js";
import { nearestHint } from "./hints.js";
import type { Declared } from "./scope.js";

/** Unknown names and circles are reported; their stages come last, in source order. */
export function orderStages(context: Context): readonly Declared[] {
  const trains = context.scope.blocks.get("train") ?? new Map<string, Declared>();
  const ordered = new Set<Declared>();
  for (const declared of trains.values()) {
    // Up to the first stage that needs nothing more, without recursion: chains may be long.
    const path = new Set<Declared>();
    for (let at: Declared | undefined = declared; at !== undefined && !ordered.has(at); ) {
      path.add(at);
      const parent = parentOf(at, trains, context);
      if (parent !== undefined && path.has(parent)) {
        const all = [...path].map((d) => d.name);
        const circle = [...all.slice(all.indexOf(parent.name)), parent.name].join(" → ");
        context.report(nameCodes.report("LLMP1011", at.block.from?.span, { name: parent.name, chain: circle }));
        break;
      }
      at = parent;
    }
    for (const one of [...path].reverse()) ordered.add(one);
  }
  return [...ordered];
}

function parentOf(
  { block, name }: Declared,
  trains: ReadonlyMap<string, Declared>,
  context: Context,
): Declared | undefined {
  const { from } = block;
  const parent = from === undefined ? undefined : trains.get(from.text);
  if (from !== undefined && parent === undefined) {
    const others = [...trains.keys()].filter((other) => other !== name);
    const hint = nearestHint(from.text, others, from.span);
    context.report(nameCodes.report("LLMP1004", from.span, { kind: "train stage", name: from.text }, hint));
  }
  return parent;
}
