export { type Placement, requested, summarise } from "./modes.js";
export { closureSeconds, type LayerOption, layerOptions } from "./options.js";
export { type LayerGroup, type PlacementResult, placeRecompute } from "./place.js";
export { type Family, families } from "./ways.js";
