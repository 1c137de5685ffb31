/** The model's `config.json`, for engines that build it fresh and train it. */
import type { ModelSpec } from "../../checker/index.js";
import { hfConfigText, hfFamily, toHfConfig } from "../../model/index.js";

export const trainingConfig = (model: ModelSpec): string =>
  // Key/value caches only cost memory in training.
  hfConfigText({ ...toHfConfig(model), use_cache: false });

/** The module that FSDP wraps, of transformers 5. */
export const layerClass = (model: ModelSpec): string => hfFamily(model.architecture.value).layer;
