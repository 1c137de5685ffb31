/** The optimizer of a stage, with its schedule in absolute terms. */
import { objectiveByName } from "../../catalog/index.js";
import { unitCodes } from "../../diagnostics/index.js";
import type { Context } from "../context.js";
import { fixedValue, known, numberOf } from "../known.js";
import type { Interval, Known, LrSchedule, Optimizer, TrainingLength } from "../pipeline.js";
import type { Fields } from "../typed.js";

interface Surroundings {
  readonly objective: string;
  readonly adapter: boolean;
  readonly length: TrainingLength;
  readonly epochTokens: number | undefined;
  readonly context: Context;
}

export function optimizerOf(fields: Fields, around: Surroundings): Known<Optimizer> | undefined {
  const read = fixedValue(fields, "optimizer");
  if (read?.kind !== "variant") return undefined;
  const inner = read.fields;
  const number = (key: string, absent = 0): number => numberOf(inner, key)?.value ?? absent;
  const usual = objectiveByName(around.objective)?.learningRate;
  const lr = number("lr", (around.adapter ? usual?.adapter : usual?.full) ?? 3e-4);
  const curve = fixedValue(inner, "schedule");
  if (curve?.kind !== "variant") return undefined;
  const warmup = warmupOf(curve.fields, around);
  if (warmup === undefined) return undefined;
  const floor = fixedValue(curve.fields, "min_lr");
  const minLr =
    floor?.kind !== "quantity"
      ? curve.name === "constant"
        ? lr
        : 0
      : floor.dimension === "ratio"
        ? floor.value * lr
        : floor.value;
  const value: Optimizer = {
    kind: read.name,
    lr,
    minLr,
    weightDecay: number("weight_decay"),
    beta1: number("beta1"),
    beta2: number("beta2"),
    eps: number("eps"),
    clip: number("clip"),
    schedule: {
      kind: curve.name as LrSchedule["kind"],
      warmup,
      decay: numberOf(curve.fields, "decay")?.value ?? 0,
    },
  };
  return known(value, fields.map.get("optimizer")?.from, read.span);
}

/** A percentage becomes steps or tokens of the stage's length. */
function warmupOf(curve: Fields, { length, epochTokens, context }: Surroundings): Interval | undefined {
  const read = fixedValue(curve, "warmup");
  if (read?.kind !== "quantity") return { unit: "steps", amount: 0 };
  if (read.dimension === "steps") return { unit: "steps", amount: read.value };
  if (read.dimension === "tokens") return { unit: "tokens", amount: read.value };
  if (length.unit === "steps") return { unit: "steps", amount: Math.round(length.amount * read.value) };
  if (length.unit === "tokens") return { unit: "tokens", amount: length.amount * read.value };
  if (epochTokens !== undefined) return { unit: "tokens", amount: length.amount * epochTokens * read.value };
  context.report(
    unitCodes.report(
      "LLMP2002",
      read.span,
      { key: "warmup", expected: "steps or tokens", found: "percent" },
      {
        hints: ["the stage's length is in epochs of data whose `tokens` are not given, so its steps are not known yet"],
      },
    ),
  );
  return undefined;
}
