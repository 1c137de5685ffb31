import { json } from "../../common/quote.js";
import { numberOption, type StageView } from "../../common/stage.js";

/** `rewards.json`: what rewards.py makes functions of. */
export const rewardsJson = (view: StageView): string =>
  json(
    view.rewards.map((r) => ({
      name: r.name,
      kind: r.kind.value,
      pattern: r.pattern?.value,
      command: r.command?.value,
      timeout: r.timeout.value,
      weight: r.weight.value,
      max_completion: numberOption(view, "maxCompletion", 512),
    })),
  );
