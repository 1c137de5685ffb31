/** What every engine folder says about data: names, columns, patterns, weights over the stage. */
import type { Dataset } from "../../../checker/pipeline.js";
import type { StageView } from "../../common/stage.js";

/** Engine-side column → column of the file. */
function columns(dataset: Dataset, objective: string): Record<string, string> {
  const { prompt, completion, messages, chosen, rejected, answer, field } = dataset;
  if (objective === "dpo") {
    return {
      prompt: prompt?.value ?? "prompt",
      chosen: chosen?.value ?? "chosen",
      rejected: rejected?.value ?? "rejected",
    };
  }
  if (objective === "grpo") return { prompt: prompt?.value ?? "prompt", answer: answer?.value ?? "answer" };
  if (messages !== undefined || dataset.format.value === "chat") return { messages: messages?.value ?? "messages" };
  if (prompt !== undefined || completion !== undefined)
    return { prompt: prompt?.value ?? "prompt", completion: completion?.value ?? "completion" };
  return { text: field?.value ?? "text" };
}

/** The file part of a path or URI: what the data folder of a dataset is searched for. */
export const filePattern = (source: string): string => {
  const last = source.split("/").pop() ?? "";
  return last === "" || (!last.includes("*") && !last.includes(".")) ? "*" : last;
};

export interface DataSettings {
  readonly seed: number;
  /** Documents of one sequence do not attend to each other. */
  readonly packing: boolean;
  readonly unit: "tokens" | "documents";
  /** What the shares of the phases are shares of: tokens, or documents, of the whole stage. */
  readonly total: number;
  readonly phases: readonly { readonly from: number; readonly weights: Readonly<Record<string, number>> }[];
  /** Samples of each dataset that an evaluation reads. */
  readonly evaluate: number;
  readonly datasets: readonly {
    readonly name: string;
    readonly format: string;
    readonly patterns: readonly string[];
    readonly holdout: number;
    readonly columns: Readonly<Record<string, string>>;
  }[];
}

export function dataSettings(view: StageView): DataSettings {
  const { mix, stage, spec } = view;
  const tokens = mix.unit.value === "tokens";
  return {
    seed: spec.seed.value,
    packing: spec.packing.value,
    unit: mix.unit.value,
    total: tokens ? stage.tokens : stage.steps * stage.global_batch,
    phases: mix.phases.map(({ from, weights }) => ({ from, weights })),
    evaluate: 64,
    datasets: view.datasets.map((dataset) => ({
      name: dataset.name,
      format: dataset.format.value,
      patterns: [...new Set(dataset.source.value.map(filePattern))],
      holdout: dataset.holdout.value,
      columns: columns(dataset, spec.objective.kind),
    })),
  };
}
