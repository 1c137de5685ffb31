export { byteSpecials, byteTokenizer } from "./bytes.js";
export { type ChatRenderer, chatRenderer, defaultChatTemplate, encodeParts } from "./chat.js";
export { jsonTokenizer, type TokenizerJsonSource } from "./json.js";
export { type LoadTokenizerOptions, loadTokenizer, stageTokenizer, tokenizerFromFile } from "./load.js";
export { type TrainOptions, trainBpe, WordCounter } from "./train.js";
export * from "./types.js";
