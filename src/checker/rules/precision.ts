/** Precisions that lose gradients, or that a chip or an adapter cannot compute in. */
import { modelCodes } from "../../diagnostics/index.js";
import { bundledHardware, findAccelerator } from "../../hardware/index.js";
import type { Draft } from "../assemble.js";
import type { Context } from "../context.js";
import type { Precision, Stage } from "../pipeline.js";
import { options } from "./decide.js";
import { eachStage, type Rule } from "./rule.js";

export const precisionRule: Rule = (draft, context) => {
  for (const precision of Object.values(draft.precisions)) {
    if (precision.compute.value === "fp16" && precision.lossScale.value === "none")
      context.report(
        modelCodes.report(
          "LLMP3007",
          precision.lossScale.span ?? precision.compute.span ?? precision.span,
          {},
          {
            hints: ["`loss_scale = dynamic` scales the loss as far as overflows allow; or compute in bf16"],
          },
        ),
      );
  }
  eachStage(draft, (stage) => {
    const names = options(stage.precision.value) ?? [];
    const precisions = names.flatMap((name) => draft.precisions[name] ?? []);
    qlora(stage, precisions, draft, context);
    chips(stage, precisions, draft, context);
  });
};

function qlora(stage: Stage, precisions: readonly Precision[], draft: Draft, context: Context): void {
  const adapter = stage.adapter === undefined ? undefined : draft.adapters[stage.adapter.value];
  if (adapter?.kind.value !== "qlora") return;
  for (const { compute } of precisions) {
    if (compute.value !== "fp8" && compute.value !== "mxfp8") continue;
    context.report(
      modelCodes.report(
        "LLMP3022",
        stage.precision.span ?? compute.span,
        { dtype: compute.value },
        {
          labels: adapter.kind.span === undefined ? [] : [{ span: adapter.kind.span, text: "4-bit base weights" }],
          hints: ["4-bit weights are expanded to bf16 or fp16 to compute: `precision = bf16`"],
        },
      ),
    );
  }
}

/** Only where no possible combination works: the planner sorts out the rest. */
function chips(stage: Stage, precisions: readonly Precision[], draft: Draft, context: Context): void {
  const cluster = draft.clusters[stage.on.value];
  if (cluster === undefined || cluster.provider.value === "local" || precisions.length === 0) return;
  const lacking = (options(cluster.instance.value) ?? []).map((name) => lack(name, precisions, draft));
  const first = lacking[0];
  if (first === undefined || lacking.some((l) => l === undefined)) return;
  context.report(
    modelCodes.report("LLMP3008", stage.precision.span ?? cluster.instance.span, first, {
      labels: cluster.instance.span === undefined ? [] : [{ span: cluster.instance.span, text: `has ${first.chip}` }],
      hints: [`${first.chip} computes in ${first.has}`],
    }),
  );
}

interface Lack {
  readonly chip: string;
  readonly dtype: string;
  readonly has: string;
}

/** `undefined`: it can compute in one of the precisions, or we do not know. */
function lack(instance: string, precisions: readonly Precision[], draft: Draft): Lack | undefined {
  const own = draft.instances[instance]?.fields.accelerator;
  const hardware = bundledHardware();
  const chip = typeof own === "string" ? own : hardware.instances[instance]?.accelerator;
  if (chip === undefined) return undefined;
  const custom = draft.accelerators[chip]?.fields;
  const known = custom === undefined ? findAccelerator(hardware, chip)?.peakFlops : undefined;
  const can = (dtype: string): boolean =>
    custom !== undefined
      ? custom[dtype] !== undefined
      : known === undefined || (known as Readonly<Record<string, number>>)[dtype] !== undefined;
  // tf32 falls back to fp32, and fp16 and bf16 exist on all that trains; only 8-bit formats are missing in a way that matters.
  const missing = precisions.filter(
    ({ compute }) => (compute.value === "fp8" || compute.value === "mxfp8") && !can(compute.value),
  );
  const one = missing[0];
  if (one === undefined || missing.length < precisions.length) return undefined;
  return { chip, dtype: one.compute.value, has: ["mxfp8", "fp8", "bf16", "fp16", "fp32"].filter(can).join(", ") };
}
