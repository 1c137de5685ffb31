/** Tokens per parameter of a training from scratch, against what is compute-optimal and what is worth while. */
import { modelCodes } from "../../diagnostics/index.js";
import { formatCount, formatNumber } from "../../units/index.js";
import { roughActive } from "./estimate.js";
import { totalTokens } from "./repeats.js";
import { eachStage, type Rule } from "./rule.js";

/** Chinchilla (Hoffmann et al. 2022): about 20. Small models are trained far beyond it on purpose (Llama 3 8B: 1,875). */
const optimal = 20;
const least = 5;
const most = 6000;

export const optimalRule: Rule = (draft, context) => {
  eachStage(draft, (stage, model) => {
    const fresh = stage.objective.kind === "pretrain" && stage.startsFrom === undefined && stage.adapter === undefined;
    const tokens = totalTokens(stage);
    const local = draft.clusters[stage.on.value]?.provider.value === "local";
    // On this machine people try things out; nobody pays for it.
    if (!fresh || local || model === undefined || model.weights !== undefined || tokens === undefined) return;
    const parameters = roughActive(model);
    const ratio = tokens / parameters;
    if (ratio >= least && ratio <= most) return;
    context.report(
      modelCodes.report(
        "LLMP3011",
        stage.length.span,
        { tokens: formatCount(tokens), parameters: formatCount(parameters), ratio: formatNumber(ratio, 2) },
        {
          hints: [
            `about ${optimal} are compute-optimal from scratch (Hoffmann et al. 2022): ${formatCount(parameters * optimal)} tokens`,
            ratio < least
              ? "to continue from existing weights, give the model `weights`"
              : "a larger model would learn more from as many tokens",
          ],
        },
      ),
    );
  });
};
