/** The model's `config.json`, for engines that build it fresh and train it. */
import type { ModelSpec } from "../../checker/index.js";
import type { Diagnostic } from "../../diagnostics/index.js";
import { hfConfigText, hfFamily, hfLosses, toHfConfig } from "../../model/index.js";
import { refuse } from "./lower.js";
import type { StageView } from "./stage.js";

export const trainingConfig = (model: ModelSpec): string =>
  // Key/value caches only cost memory in training.
  hfConfigText({ ...toHfConfig(model), use_cache: false });

/** What the architecture's class of transformers has no key for, where the model is built fresh from `config.json`. */
export const lostInConfig = (view: StageView): Diagnostic[] =>
  hfLosses(view.model).map((key) =>
    refuse(
      view,
      `${key} of model ${view.model.name}`,
      `transformers' ${view.model.architecture.value} takes it otherwise`,
      "choose an architecture that has it",
    ),
  );

/** The module that FSDP wraps, of transformers 5. */
export const layerClass = (model: ModelSpec): string => hfFamily(model.architecture.value).layer;
