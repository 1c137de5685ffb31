/** An accelerator of the user's own needs a rate to compute with. */
import { modelCodes } from "../../diagnostics/index.js";
import { peakOf } from "../../hardware/index.js";
import type { Rule } from "./rule.js";

export const acceleratorsRule: Rule = (draft, context) => {
  for (const { name, span, fields } of Object.values(draft.accelerators)) {
    if (peakOf({ peakFlops: fields }, "bf16") !== undefined) continue;
    context.report(
      modelCodes.report("LLMP3050", span, { accelerator: name }, { hints: ["for example `bf16 = 989T`, dense"] }),
    );
  }
};
