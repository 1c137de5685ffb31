import { Command } from "commander";
import { describeLayout } from "../../report/terminal/plan.js";
import { formatGiB, formatNumber, formatPercent, formatSeconds, formatUsd } from "../../units/index.js";
import { examples } from "../help.js";
import { collect } from "../load.js";
import { answer, answerJson, Exit, note, usage } from "../output.js";
import { makePlan } from "../plan/make.js";
import { table } from "../tables.js";

interface Options {
  readonly set?: readonly string[];
  readonly prices?: string;
  readonly calibration?: string;
  readonly csv?: boolean;
  readonly json?: boolean;
}

/** Every combination of `name=a,b,c` lists, the last name fastest. */
export function combinations(sets: readonly string[]): readonly (readonly string[])[] {
  return sets.reduce<readonly (readonly string[])[]>(
    (all, one) => {
      const at = one.indexOf("=");
      if (at <= 0) throw usage(`--set ${one}: not of the form name=a,b,c`);
      const name = one.slice(0, at).trim();
      const values = one
        .slice(at + 1)
        .split(",")
        .map((v) => v.trim());
      return all.flatMap((head) => values.map((v) => [...head, `${name}=${v}`]));
    },
    [[]],
  );
}

async function sweep(file: string | undefined, options: Options): Promise<void> {
  const sets = options.set ?? [];
  if (sets.length === 0) throw usage("nothing to vary", "for example `--set seq=4Ki,8Ki --set gpus=8,16`");
  const rows: Record<string, string | number | null>[] = [];
  for (const set of combinations(sets)) {
    const settings = Object.fromEntries(set.map((s) => [s.slice(0, s.indexOf("=")), s.slice(s.indexOf("=") + 1)]));
    try {
      const { plan } = await makePlan(file, { ...options, set }, true);
      for (const s of plan.stages) {
        rows.push({
          ...settings,
          stage: s.name,
          outcome: plan.outcome,
          instance: s.cluster.instance,
          count: s.cluster.count,
          layout: `${describeLayout(s.parallel)} · mb ${s.parallel.micro_batch}`,
          recompute: s.recompute.summary,
          step_seconds: s.time.step_seconds,
          tokens_per_second: s.time.tokens_per_second,
          mfu: s.time.mfu,
          peak_bytes: s.memory.peak_bytes,
          total_seconds: s.time.total_seconds,
          usd: s.cost.usd,
        });
      }
    } catch (error) {
      if (!(error instanceof Exit) || error.code === 2) throw error;
      note(`${set.join(" ")}: no plan`);
      rows.push({ ...settings, outcome: "errors" });
    }
  }
  if (options.json === true) answerJson(rows);
  else if (options.csv === true) answer(csv(rows));
  else
    answer(
      shown(
        rows,
        sets.map((s) => s.slice(0, s.indexOf("="))),
      ),
    );
}

const columnsOf = (rows: readonly Record<string, unknown>[]): string[] => [
  ...new Set(rows.flatMap((r) => Object.keys(r))),
];

function csv(rows: readonly Record<string, string | number | null>[]): string {
  const columns = columnsOf(rows);
  const cell = (v: string | number | null | undefined): string => {
    const text = v === null || v === undefined ? "" : String(v);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns.join(","), ...rows.map((r) => columns.map((c) => cell(r[c])).join(","))].join("\n");
}

function shown(rows: readonly Record<string, string | number | null>[], names: readonly string[]): string {
  const number = (v: unknown, show: (n: number) => string): string => (typeof v === "number" ? show(v) : "–");
  const header = [...names, "stage", "outcome", "n", "layout", "step", "tokens/s", "MFU", "GiB", "time", "cost"];
  return table(
    header,
    rows.map((r) => [
      ...names.map((n) => String(r[n] ?? "")),
      String(r.stage ?? "–"),
      String(r.outcome),
      String(r.count ?? "–"),
      String(r.layout ?? "–"),
      number(r.step_seconds, formatSeconds),
      number(r.tokens_per_second, formatNumber),
      number(r.mfu, (n) => formatPercent(n)),
      number(r.peak_bytes, formatGiB),
      number(r.total_seconds, formatSeconds),
      number(r.usd, formatUsd),
    ]),
  );
}

export function command(): Command {
  return examples(
    new Command("sweep")
      .description("Tabulate plans over lists of settings: what if?")
      .argument("[file]", "a .llmp file, a folder with one, or - for standard input")
      .option("--set <name=a,b>", "values to try, all combinations (repeatable)", collect)
      .option("--prices <file>", "prices that override the bundled ones")
      .option("--calibration <file>", "what `llmp calibrate` wrote")
      .option("--csv", "as CSV")
      .option("--json", "as JSON")
      .action(sweep),
    [
      "llmp sweep plan.llmp --set seq=4Ki,8Ki --set gpus=8,16",
      "llmp sweep examples/llama3-8b-domain.llmp --set nodes=4,8,16 --csv",
    ],
  );
}
