/** Stages after the ones that they start from. */
import { nameCodes } from "../diagnostics/index.js";
import type { Context } from "./context.js";
import { nearestHint } from "./hints.js";
import type { Declared } from "./scope.js";

/** Unknown names and circles are reported; their stages come last, in source order. */
export function orderStages(context: Context): readonly Declared[] {
  const trains = context.scope.blocks.get("train") ?? new Map<string, Declared>();
  const ordered = new Set<Declared>();
  const reported = new Set<string>();
  const visit = (declared: Declared, trail: readonly string[]): void => {
    if (ordered.has(declared)) return;
    const from = declared.block.from;
    if (from !== undefined) {
      const parent = trains.get(from.text);
      const chain = [...trail, declared.name];
      if (parent === undefined) {
        const others = [...trains.keys()].filter((name) => name !== declared.name);
        context.report(
          nameCodes.report(
            "LLMP1004",
            from.span,
            { kind: "train stage", name: from.text },
            nearestHint(from.text, others, from.span),
          ),
        );
      } else if (chain.includes(from.text)) {
        const circle = [...chain.slice(chain.indexOf(from.text)), from.text];
        if (!circle.some((name) => reported.has(name)))
          context.report(nameCodes.report("LLMP1011", from.span, { name: from.text, chain: circle.join(" → ") }));
        for (const name of circle) reported.add(name);
      } else visit(parent, chain);
    }
    ordered.add(declared);
  };
  for (const declared of trains.values()) visit(declared, []);
  return [...ordered];
}
