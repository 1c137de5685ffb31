export type { LanguageModel } from "../interfaces.js";
