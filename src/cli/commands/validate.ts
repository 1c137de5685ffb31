import { readFileSync } from "node:fs";
import { Command } from "commander";
import { type Quantiles, type Run, readRuns, type Validation, validateRuns } from "../../planner/calibrate/index.js";
import { examples } from "../help.js";
import { answer, complain, usage } from "../output.js";
import { loadCalibration } from "../plan/calibration.js";

export function command(): Command {
  return examples(
    new Command("validate")
      .description("Compare predictions with measured runs (one JSON object a line)")
      .argument("<runs>", "a .jsonl file of measured runs, or - for standard input")
      .option("--json", "print rows and summary as one JSON object")
      .option("--calibration <file>", "what llmp calibrate wrote")
      .action((file: string, options: { json?: true; calibration?: string }) => {
        const calibration = options.calibration === undefined ? undefined : loadCalibration(options.calibration);
        const result = validateRuns(loadRuns(file), calibration);
        answer(options.json === true ? `${JSON.stringify(result)}\n` : page(result));
      }),
    ["llmp validate runs.jsonl", "llmp validate runs.jsonl --calibration mine.json --json"],
  );
}

const text = (file: string): string => {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw usage(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
};

export function loadRuns(file: string): readonly Run[] {
  const { runs, problems } = readRuns(text(file));
  for (const problem of problems.slice(0, 10)) complain(`warning: ${file}: ${problem}; left out`);
  if (problems.length > 10) complain(`warning: ${file}: ${problems.length - 10} more lines left out`);
  if (runs.length === 0) throw usage(`${file} has no runs`, "one JSON object a line: see docs/VALIDATION.md");
  return runs;
}

/** For people: one line a stack and accelerator, then the totals. */
function page({ summary, rows }: Validation): string {
  const head = ["stack", "accelerator", "runs", "median", "p90", "bias", "in 80%"];
  const percent = (x: number, signed = false): string => `${signed && x > 0 ? "+" : ""}${x.toFixed(1)}%`;
  const cells = (q: Quantiles): string[] => [
    String(q.rows),
    percent(q.median_abs_pct),
    percent(q.p90_abs_pct),
    percent(q.bias_pct, true),
    `${q.coverage_pct.toFixed(0)}%`,
  ];
  const table = [head, ...summary.by_stack.map((s) => [s.stack, s.accelerator, ...cells(s)])];
  const total = (name: string, q: Quantiles | undefined): void => {
    if (q !== undefined) table.push([name, "", ...cells(q)]);
  };
  total("all: step time", summary.step);
  total("all: memory, allocated", summary.memory_allocated);
  total("all: memory, otherwise read", summary.memory_other);
  const widths = head.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  const lines = table.map((row) =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
  lines.push(
    "",
    `${summary.predicted} of ${summary.rows} runs predicted; ${summary.oom.refused} of ${summary.oom.rows} that ran out of memory refused, ${summary.ok.refused} of ${summary.ok.rows} that ran refused`,
  );
  for (const r of rows.filter((row) => row.status === "skipped").slice(0, 5))
    lines.push(`skipped ${r.id}: ${r.reason}`);
  return `${lines.join("\n")}\n`;
}
