/** Sequences against the model's context and the ranks that split them. */
import { modelCodes } from "../../diagnostics/index.js";
import { formatNumber } from "../../units/index.js";
import { atMost, fixed } from "./decide.js";
import { eachStage, type Rule } from "./rule.js";

export const contextLengthRule: Rule = (draft, context) => {
  eachStage(draft, (stage, model) => {
    if (model === undefined) return;
    const longest = atMost(stage.contextLength);
    const limit = model.contextLength.value;
    if (Number.isFinite(longest) && longest > limit)
      context.report(
        modelCodes.report(
          "LLMP3009",
          stage.contextLength.span,
          { length: formatNumber(longest, 7), limit: formatNumber(limit, 7) },
          {
            labels:
              model.contextLength.span === undefined
                ? []
                : [{ span: model.contextLength.span, text: `the context of \`${model.name}\`` }],
            hints: [
              model.position.value === "learned"
                ? "learned positions end there"
                : `to extend it, inherit: \`model long: ${model.name} { context_length = ${longest} }\`, with \`rope_scaling\` where wanted`,
            ],
          },
        ),
      );
    const ring = fixed(stage.parallel.context);
    const length = fixed(stage.contextLength);
    if (ring !== undefined && ring > 1 && length !== undefined && length % (2 * ring) !== 0)
      context.report(
        modelCodes.report(
          "LLMP3033",
          stage.parallel.context.span,
          { length: formatNumber(length, 7), context: ring },
          {
            hints: [`causal load balancing gives every rank two chunks: the length must be divisible by ${2 * ring}`],
          },
        ),
      );
  });
};
