export { type Chunks, evenChunks, type SplitInput, splitStack, toChunks } from "./chunks.js";
export { meshOf } from "./mesh.js";
export { statePlacements, tensorPlacements } from "./tensors.js";
