import { Command } from "commander";
import type { Plan, StagePlan } from "../../planner/plan.js";
import { describeLayout } from "../../report/terminal/plan.js";
import { formatBytes, formatPercent, formatSeconds, formatUsd } from "../../units/index.js";
import { examples } from "../help.js";
import { collect } from "../load.js";
import { answer, answerJson } from "../output.js";
import { readPlan } from "../plan/input.js";
import { makePlan } from "../plan/make.js";
import { table } from "../tables.js";

interface Row {
  readonly stage: string;
  readonly what: string;
  readonly before: string;
  readonly after: string;
  readonly change: string;
}

async function planOf(file: string, set: readonly string[] | undefined): Promise<Plan> {
  return file.endsWith(".json") ? readPlan(file) : (await makePlan(file, set === undefined ? {} : { set }, true)).plan;
}

/** What differs, stage by stage; stages are matched by name. */
export function differences(a: Plan, b: Plan): Row[] {
  const names = [...new Set([...a.stages, ...b.stages].map((s) => s.name))];
  return names.flatMap((name) => {
    const x = a.stages.find((s) => s.name === name);
    const y = b.stages.find((s) => s.name === name);
    if (x === undefined) return [{ stage: name, what: "stage", before: "", after: "added", change: "+" }];
    if (y === undefined) return [{ stage: name, what: "stage", before: "there", after: "", change: "-" }];
    return stageRows(x, y);
  });
}

function stageRows(x: StagePlan, y: StagePlan): Row[] {
  const rows: Row[] = [];
  const words = (what: string, of: (s: StagePlan) => string): void => {
    if (of(x) !== of(y)) rows.push({ stage: x.name, what, before: of(x), after: of(y), change: "~" });
  };
  const figures = (what: string, of: (s: StagePlan) => number | null, show: (n: number) => string): void => {
    const [p, q] = [of(x), of(y)];
    if (p === q) return;
    const change = p !== null && q !== null && p > 0 ? `${q >= p ? "+" : ""}${formatPercent(q / p - 1, 2)}` : "~";
    rows.push({ stage: x.name, what, before: p === null ? "?" : show(p), after: q === null ? "?" : show(q), change });
  };
  words("model", (s) => s.model.name);
  words("machines", (s) => `${s.cluster.count} × ${s.cluster.instance}`);
  words("pricing", (s) => s.cost.pricing);
  words("engine", (s) => s.engine);
  words("precision", (s) => s.precision);
  words("layout", (s) => describeLayout(s.parallel));
  words("micro-batch", (s) => `${s.parallel.micro_batch} × ${s.parallel.accumulation}`);
  words("recompute", (s) => s.recompute.summary);
  words("sequence", (s) => String(s.context_length));
  figures("peak", (s) => s.memory.peak_bytes, formatBytes);
  figures("step", (s) => s.time.step_seconds, formatSeconds);
  figures("time", (s) => s.time.total_seconds, formatSeconds);
  figures("cost", (s) => s.cost.usd, formatUsd);
  return rows;
}

export function command(): Command {
  return examples(
    new Command("diff")
      .description("Compare two plans, or the plans of two files")
      .argument("<a>", "a .llmp file or a plan (.json)")
      .argument("<b>", "another")
      .option("--set <name=value>", "override in files, not in plans (repeatable)", collect)
      .option("--exit-code", "end with 1 where they differ")
      .option("--json", "the answer as JSON")
      .action(
        async (a: string, b: string, options: { set?: readonly string[]; exitCode?: boolean; json?: boolean }) => {
          const rows = differences(await planOf(a, options.set), await planOf(b, options.set));
          if (options.json === true) answerJson(rows);
          else if (rows.length === 0) answer("no difference");
          else
            answer(
              table(
                ["stage", "what", "before", "after", "change"],
                rows.map((r) => [r.stage, r.what, r.before, r.after, r.change]),
              ),
            );
          if (options.exitCode === true && rows.length > 0) process.exitCode = 1;
        },
      ),
    ["llmp diff base.plan.json new.llmp", "llmp diff a.llmp b.llmp --exit-code"],
  );
}
