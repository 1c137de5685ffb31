export { type BuildOptions, type BuiltDataset, buildDataset } from "./build.js";
export { readMeta, TokenStore, writeAll } from "./cache.js";
export { dataFiles } from "./files.js";
export { hash32, hashText } from "./order.js";
export { RowPlanner } from "./rowplan.js";
export { dataNeeds, mixOf, type OpenedSource, type OpenSourceOptions, openSource, StageSource } from "./source.js";
export * from "./types.js";
export { DocumentView, splitHoldout } from "./view.js";
