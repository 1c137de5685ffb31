export * from "./field.js";
export * from "./format.js";
export * from "./types.js";
