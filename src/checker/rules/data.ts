/** What an objective needs of its datasets, by the descriptor's columns and formats. */
import { objectiveByName } from "../../catalog/index.js";
import { modelCodes } from "../../diagnostics/index.js";
import type { Context } from "../context.js";
import type { Dataset, Stage } from "../pipeline.js";
import { eachStage, type Rule } from "./rule.js";

/** Columns that a format has by itself. */
const implied: Readonly<Record<string, readonly string[]>> = {
  text: ["field"],
  chat: ["messages"],
  preference: ["prompt", "chosen", "rejected"],
  prompts: ["prompt", "answer"],
};

export const dataRule: Rule = (draft, context) => {
  eachStage(draft, (stage) => {
    const mix = draft.mixes[stage.data.value];
    const names = new Set(mix?.phases.flatMap((phase) => Object.keys(phase.weights)));
    for (const name of names) {
      const dataset = draft.datasets[name];
      if (dataset !== undefined) suits(stage, dataset, context);
    }
  });
};

function suits(stage: Stage, dataset: Dataset, context: Context): void {
  const objective = objectiveByName(stage.objective.kind);
  if (objective === undefined) return;
  const format = dataset.format.value;
  const has = new Set(implied[format] ?? []);
  for (const column of ["field", "prompt", "completion", "messages", "chosen", "rejected", "answer"] as const)
    if (dataset[column] !== undefined) has.add(column);
  const wrongFormat = format !== "auto" && !objective.formats.includes(format);
  // A dataset that names columns says what it is; one that names none is read by the usual names.
  const missing = has.size === 0 ? [] : lacking(objective.columns, has);
  if (!wrongFormat && missing.length === 0) return;
  const needed =
    missing.length > 0
      ? missing.map((c) => `\`${c}\``).join(" and ")
      : `a format among ${objective.formats.join(", ")}`;
  context.report(
    modelCodes.report(
      "LLMP3014",
      stage.data.span,
      { objective: stage.objective.kind, needed, dataset: dataset.name },
      {
        labels:
          dataset.span === undefined
            ? []
            : [{ span: wrongFormat ? (dataset.format.span ?? dataset.span) : dataset.span, text: "declared here" }],
        hints: [
          missing.length > 0
            ? `say which column it is, for example \`${missing[0]} = "${missing[0]}"\``
            : `${stage.objective.kind} reads ${objective.formats.join(", ")}`,
        ],
      },
    ),
  );
}

/** Alternatives: plain text, or prompt with completion, or messages; preferences and prompts need all of theirs. */
function lacking(columns: readonly string[], has: ReadonlySet<string>): readonly string[] {
  if (columns.includes("field") && has.has("field")) return [];
  if (columns.includes("messages") && has.has("messages")) return [];
  const rest = columns.filter((c) => c !== "field" && c !== "messages");
  if (rest.length === 0) return ["field"];
  const alternatives = columns.includes("field") || columns.includes("messages");
  const missing = rest.filter((c) => !has.has(c));
  // Chosen and rejected answers may hold their prompt.
  const soft = missing.filter((c) => !(c === "prompt" && has.has("chosen") && has.has("rejected")));
  return alternatives && soft.length === rest.length && columns.includes("field") ? ["field"] : soft;
}
