/** Warm-ups that never end. */
import { modelCodes } from "../../diagnostics/index.js";
import { formatCount } from "../../units/index.js";
import { totalTokens } from "./repeats.js";
import { eachStage, type Rule } from "./rule.js";

export const warmupRule: Rule = (draft, context) => {
  eachStage(draft, (stage) => {
    const { warmup } = stage.optimizer.value.schedule;
    const length = stage.length.value;
    const total = totalTokens(stage);
    const batch = stage.batch.value;
    const tokens =
      warmup.unit === "tokens"
        ? warmup.amount
        : warmup.unit === "steps" && batch.unit === "tokens"
          ? warmup.amount * batch.amount
          : undefined;
    const over =
      warmup.unit === "steps" && length.unit === "steps"
        ? warmup.amount > length.amount
        : total !== undefined && tokens !== undefined && tokens > total;
    if (!over) return;
    const show = (amount: number, unit: string): string => `${formatCount(amount)} ${unit}`;
    context.report(
      modelCodes.report(
        "LLMP3032",
        stage.optimizer.span,
        { warmup: show(warmup.amount, warmup.unit), length: show(length.amount, length.unit) },
        {
          hints: ["the learning rate never reaches its peak; about 1% to 5% of the training is usual: `warmup = 2%`"],
        },
      ),
    );
  });
};
