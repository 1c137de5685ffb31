/** Checkpoints against the failures that they are for. */
import { modelCodes } from "../../diagnostics/index.js";
import { formatSeconds } from "../../units/index.js";
import { options } from "./decide.js";
import { devicesOf } from "./devices.js";
import { eachStage, type Rule } from "./rule.js";

/** Hours that one H100 runs between failures of the job: 419 interruptions in 54 days on 16,384 (Llama 3, section 3.3.4). */
const hoursPerDevice = (16_384 * 54 * 24) / 419;

export const savesRule: Rule = (draft, context) => {
  eachStage(draft, (stage) => {
    const cluster = draft.clusters[stage.on.value];
    if (cluster === undefined || cluster.provider.value === "local") return;
    const spot = options(cluster.pricing.value)?.includes("spot") === true;
    if (spot && stage.save === undefined) {
      context.report(
        modelCodes.report(
          "LLMP3012",
          cluster.pricing.span,
          { stage: stage.name },
          {
            labels:
              stage.span === undefined ? [] : [{ span: stage.span, text: "this stage would start again from nothing" }],
            hints: ["for example `save = every 30min`"],
          },
        ),
      );
    }
    const every = stage.save?.value;
    const devices = devicesOf(draft, stage.on.value);
    if (every?.unit !== "seconds" || devices === undefined) return;
    const failure = (hoursPerDevice / devices) * 3600;
    if (every.amount <= failure) return;
    context.report(
      modelCodes.report(
        "LLMP3013",
        stage.save?.span,
        { save: formatSeconds(every.amount), failure: formatSeconds(failure) },
        {
          text: "most of the work would be lost each time",
          hints: [
            `${devices} devices at the rate of Llama 3's training: 419 interruptions in 54 days on 16,384`,
            `save at least every ${formatSeconds(failure / 4, 2)}`,
          ],
        },
      ),
    );
  });
};
