/** What every engine folder says about data: names, columns, patterns, weights over the stage. */
import type { Dataset } from "../../../checker/pipeline.js";
import { folderOf, sourceFolders } from "../../common/entry.js";
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

/** `{a,b}` written out: Python's glob does not know it. */
function withoutBraces(pattern: string): string[] {
  const found = /^(.*?)\{([^{}]*)\}(.*)$/s.exec(pattern);
  if (found === null) return [pattern];
  return (found[2] ?? "").split(",").flatMap((part) => withoutBraces(`${found[1]}${part}${found[3]}`));
}

/** Globs within `data/<name>/` for exactly the files that the sources name. */
function patterns(dataset: Dataset): string[] {
  const folders = sourceFolders(dataset);
  const all = dataset.source.value.flatMap((source) => {
    const folder = folderOf(source);
    const within = source.slice(folder.length).replace(/^\//, "");
    const place = folders.length > 1 ? `${folders.indexOf(folder) + 1}/` : "";
    return withoutBraces(within === "" ? "**/*" : within).map((pattern) => place + pattern);
  });
  return [...new Set(all)];
}

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
      patterns: patterns(dataset),
      holdout: dataset.holdout.value,
      columns: columns(dataset, spec.objective.kind),
    })),
  };
}
