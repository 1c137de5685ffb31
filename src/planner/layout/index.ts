export { type Chunks, chunkSize, evenChunks, type SplitInput, splitStack, spread, toChunks } from "./chunks.js";
export { meshOf } from "./mesh.js";
export { gathersWeights } from "./shard.js";
export { statePlacements, tensorPlacements } from "./tensors.js";
