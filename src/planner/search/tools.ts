import type { CostModel, StageContext } from "../types.js";
import type { BuildModel, StageProblem } from "./problem.js";
import type { SearchResult } from "./solve.js";

/** What the search asks of others: the graph of a model, and what a layout costs on an engine. */
export interface Tools {
  readonly build: BuildModel;
  readonly modelFor: (context: StageContext) => CostModel;
}

/** A stage that was searched. */
export interface Searched {
  readonly problem: StageProblem;
  readonly result: SearchResult;
  readonly model: CostModel;
  readonly seconds: number;
}
