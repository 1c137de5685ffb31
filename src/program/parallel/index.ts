/** One rank of a plan's mesh: the part of the model that it has, and its share of a training step. */
export { type LocalGraph, localGraph, tensorPart } from "./local.js";
export { type BesideInput, Rank, type RankInput, type RankResult } from "./rank.js";
export type { RankGroup, RankLayout, RankLinks, RankPlace, RankTask } from "./types.js";
export type { Part, Section } from "./weights.js";
