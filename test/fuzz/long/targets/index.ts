/** What reads a stranger's bytes, each with seeds. A target answers, or throws one of the errors it is meant to throw. */
import { data } from "./data.js";
import { files } from "./files.js";
import { language } from "./language.js";
import type { Target } from "./types.js";
import { weights } from "./weights.js";

export { scratch, type Target } from "./types.js";

export const targets: readonly Target[] = [...language, ...weights, ...data, ...files];
