export { mergeAdapter, readAdapter, splitAdapter, writeAdapter } from "./adapter.js";
export { fromFloat32, toFloat32 } from "./dtype.js";
export { openWeights, type WriteWeightsOptions, writeWeights } from "./folder.js";
export { initialSource, namedSource, openSourceWeights, type WeightPlaces, type WeightSource } from "./initial.js";
export { joinSlices } from "./join.js";
export { type ConcreteWeight, concreteWeights, forGraph } from "./names.js";
export { headerBytes, type OutTensor, parseHeader, SafetensorsFile, writeSafetensors } from "./safetensors.js";
