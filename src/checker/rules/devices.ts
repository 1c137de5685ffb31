/** Degrees against the number of devices, and the batch against the ranks that share it. */
import { modelCodes } from "../../diagnostics/index.js";
import { bundledHardware } from "../../hardware/index.js";
import { formatNumber } from "../../units/index.js";
import type { Draft } from "../assemble.js";
import type { Context } from "../context.js";
import type { Stage } from "../pipeline.js";
import { fixed } from "./decide.js";
import { eachStage, type Rule } from "./rule.js";

export const devicesRule: Rule = (draft, context) => {
  eachStage(draft, (stage) => {
    fill(stage, draft, context);
    batch(stage, draft, context);
  });
};

/** Devices of a cluster, where instance and count are fixed. */
export function devicesOf(draft: Draft, cluster: string): number | undefined {
  const found = draft.clusters[cluster];
  const instance = fixed(found?.instance);
  const count = fixed(found?.count);
  if (found === undefined || instance === undefined || count === undefined || found.provider.value === "local")
    return undefined;
  const own = draft.instances[instance]?.fields.accelerators;
  const each = typeof own === "number" ? own : bundledHardware().instances[instance]?.accelerators;
  return each === undefined ? undefined : each * count;
}

function fill(stage: Stage, draft: Draft, context: Context): void {
  const devices = devicesOf(draft, stage.on.value);
  if (devices === undefined) return;
  const { parallel } = stage;
  const axes = (["data", "tensor", "pipeline", "context"] as const).map((name) => ({
    name,
    setting: parallel[name],
    value: fixed(parallel[name]),
  }));
  const given = axes.filter((a) => a.value !== undefined && a.setting.from !== "default");
  if (given.length === 0) return;
  const product = given.reduce((p, a) => p * (a.value ?? 1), 1);
  const complete = axes.every((a) => a.value !== undefined);
  if (complete ? product === devices : devices % product === 0) return;
  const last = given.reduce((a, b) => ((b.setting.span?.start ?? 0) > (a.setting.span?.start ?? 0) ? b : a));
  const count = draft.clusters[stage.on.value]?.count.span;
  context.report(
    modelCodes.report(
      "LLMP3020",
      last.setting.span,
      { product, devices },
      {
        text: given.map((a) => `${a.name} ${a.value}`).join(" × "),
        labels: count === undefined ? [] : [{ span: count, text: `${devices} devices in \`${stage.on.value}\`` }],
        hints: [
          complete
            ? "the product of data, tensor, pipeline and context must be the number of devices"
            : "the product must divide the number of devices",
        ],
      },
    ),
  );
}

function batch(stage: Stage, draft: Draft, context: Context): void {
  const length = fixed(stage.contextLength);
  const { amount, unit } = stage.batch.value;
  if (unit === "tokens" && length === undefined) return;
  const sequences = unit === "sequences" ? amount : amount / (length ?? 1);
  const at = stage.batch.span;
  if (unit === "tokens" && length !== undefined && amount < length) {
    context.report(
      modelCodes.report(
        "LLMP3006",
        at,
        { batch: formatNumber(sequences, 4), divisor: "1" },
        {
          hints: [`a batch of ${formatNumber(amount, 6)} tokens is less than one sequence of ${length}`],
        },
      ),
    );
    return;
  }
  const devices = devicesOf(draft, stage.on.value);
  const { tensor, pipeline, context: ring } = stage.parallel;
  const others = [tensor, pipeline, ring].map(fixed);
  const product = others.reduce<number>((p, v) => p * (v ?? 1), 1);
  const data =
    fixed(stage.parallel.data) ??
    (devices !== undefined && others.every((v) => v !== undefined) ? devices / product : undefined);
  const micro = fixed(stage.parallel.microBatch);
  if (data === undefined && micro === undefined) return;
  const divisor = (data ?? 1) * (micro ?? 1);
  // Tokens are rounded to whole sequences by the plan; sequences are exact.
  const whole = unit === "sequences" ? sequences : Math.round(sequences);
  if (!Number.isInteger(divisor) || whole % divisor === 0) return;
  const parts = [
    data === undefined ? "" : `${data} data-parallel ranks`,
    micro === undefined ? "" : `micro-batches of ${micro}`,
  ].filter((p) => p !== "");
  const below = Math.floor(whole / divisor) * divisor;
  context.report(
    modelCodes.report(
      "LLMP3006",
      at,
      { batch: formatNumber(whole, 6), divisor },
      {
        text: parts.join(" × "),
        labels: [stage.parallel.data.span, stage.parallel.microBatch.span].flatMap((span) =>
          span === undefined ? [] : [{ span, text: "" }],
        ),
        hints: [
          `the nearest are ${below > 0 ? `${below} and ` : ""}${below + divisor} sequences${length === undefined ? "" : ` (${formatNumber((below + divisor) * length, 9)} tokens)`}`,
        ],
      },
    ),
  );
}
