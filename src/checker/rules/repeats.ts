/** Small datasets that a mix repeats: beyond about 4 passes new tokens are worth more (Muennighoff et al. 2023). */
import { modelCodes } from "../../diagnostics/index.js";
import { formatCount, formatNumber } from "../../units/index.js";
import type { Stage } from "../pipeline.js";
import { fixed } from "./decide.js";
import { eachStage, type Rule } from "./rule.js";

const tolerable = 4;
const hopeless = 40;

export const repeatsRule: Rule = (draft, context) => {
  eachStage(draft, (stage) => {
    const total = totalTokens(stage);
    const mix = draft.mixes[stage.data.value];
    // Epochs are asked for by number: nothing to point out.
    if (total === undefined || mix === undefined || mix.unit.value !== "tokens" || stage.objective.kind !== "pretrain")
      return;
    const seen = new Map<string, number>();
    for (const [index, phase] of mix.phases.entries()) {
      const share = (mix.phases[index + 1]?.from ?? 1) - phase.from;
      for (const [name, weight] of Object.entries(phase.weights))
        seen.set(name, (seen.get(name) ?? 0) + weight * share * total);
    }
    for (const [name, tokens] of seen) {
      const dataset = draft.datasets[name];
      const size = dataset?.tokens?.value;
      if (size === undefined || size <= 0 || tokens / size <= tolerable) continue;
      const times = tokens / size;
      context.report(
        modelCodes.report(
          "LLMP3010",
          stage.data.span,
          { dataset: name, times: formatNumber(times, 2) },
          {
            text: `${formatCount(tokens)} tokens are drawn from it`,
            labels:
              dataset?.tokens?.span === undefined
                ? []
                : [{ span: dataset.tokens.span, text: `it has ${formatCount(size)}` }],
            hints: [
              times >= hopeless
                ? "after 40 passes a token teaches nothing more (Muennighoff et al. 2023): the weight is far too large"
                : "up to 4 passes are almost as good as new tokens; beyond, their worth falls fast (Muennighoff et al. 2023)",
              `a weight ${formatNumber(times / tolerable, 2)} times smaller keeps it at 4`,
            ],
          },
        ),
      );
    }
  });
};

/** Tokens of the whole stage, where they are known. */
export function totalTokens(stage: Stage): number | undefined {
  const { unit, amount } = stage.length.value;
  if (unit === "tokens") return amount;
  if (unit === "epochs") return undefined;
  const batch = stage.batch.value;
  if (batch.unit === "tokens") return amount * batch.amount;
  const length = fixed(stage.contextLength);
  return length === undefined ? undefined : amount * batch.amount * length;
}
