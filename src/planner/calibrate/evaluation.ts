/** How well predictions hold, table by table: fitted, with the publisher left out, and after calibration with one run. */
import { believed } from "./calibrate.js";
import { calibratedHalf } from "./predict.js";

/** One measured run under judgement; errors are predicted over measured − 1. */
export interface Judged {
  readonly publisher: string;
  readonly stack: string;
  readonly accelerator: string;
  readonly fitted: number;
  /** By constants that were fitted without the publisher. */
  readonly leftOut?: number;
  /** Half-width of the stated 80% interval, of the logarithm. */
  readonly half: number;
}

/** Errors and the half-widths stated with them. */
type Errors = readonly { readonly error: number; readonly half: number }[];

const absolute = (list: Errors): number[] => list.map((x) => Math.abs(x.error));

export const quantile = (list: readonly number[], q: number): number => {
  const sorted = [...list].sort((a, b) => a - b);
  const x = q * (sorted.length - 1);
  const i = Math.floor(x);
  return sorted[i]! + ((sorted[i + 1] ?? sorted[i]!) - sorted[i]!) * (x - i);
};
const percent = (x: number): string => (100 * x).toFixed(1);
const covered = (list: Errors): number =>
  list.filter((x) => Math.abs(Math.log1p(x.error)) <= x.half).length / list.length;

const fittedOf = (rows: readonly Judged[]): Errors => rows.map((r) => ({ error: r.fitted, half: r.half }));
const leftOutOf = (rows: readonly Judged[]): Errors =>
  rows.map((r) => ({ error: r.leftOut ?? r.fitted, half: r.half }));

/** Most runs of a table that each choice of the measured one is judged on, so that large tables are not all that counts. */
const judges = 40;

/** Each run of a table in turn is the one that was measured; the errors of the others, on constants that never saw the table. */
export function calibratedOf(rows: readonly Judged[]): Errors {
  const off = rows.map((r) => -Math.log1p(r.leftOut ?? r.fitted));
  const step = Math.max(1, Math.ceil(rows.length / judges));
  return rows.flatMap((_, one) => {
    const shift = believed([off[one]!]);
    return rows.flatMap((r, i) =>
      i === one || i % step !== one % step
        ? []
        : [{ error: Math.expm1(shift - off[i]!), half: calibratedHalf(r.half, 1) }],
    );
  });
}

export function groupsOf(rows: readonly Judged[]): ReadonlyMap<string, readonly Judged[]> {
  const groups = new Map<string, Judged[]>();
  for (const r of rows) {
    const key = `${r.publisher} | ${r.stack} | ${r.accelerator}`;
    const list = groups.get(key);
    if (list === undefined) groups.set(key, [r]);
    else list.push(r);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A Markdown table, a line for each publisher, stack and accelerator. */
export function tableOf(rows: readonly Judged[]): string {
  const cells = (list: Errors): string =>
    list.length === 0
      ? "– | –"
      : `${percent(quantile(absolute(list), 0.5))} | ${percent(quantile(absolute(list), 0.9))}`;
  const line = (name: string, list: readonly Judged[], calibrated: Errors): string => {
    const out = leftOutOf(list);
    const bias = percent(
      quantile(
        out.map((x) => x.error),
        0.5,
      ),
    );
    return `| ${name} | ${list.length} | ${cells(fittedOf(list))} | ${bias} | ${cells(out)} | ${cells(calibrated)} |`;
  };
  const groups = groupsOf(rows);
  return [
    "| publisher | stack | GPU | runs | fitted: median % | p90 % | left out: bias % | median % | p90 % | one run: median % | p90 % |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
    ...[...groups].map(([name, list]) => line(name, list, calibratedOf(list))),
    line("all |  | ", rows, allCalibrated(groups)),
  ].join("\n");
}

const allCalibrated = (groups: ReadonlyMap<string, readonly Judged[]>): Errors =>
  [...groups.values()].flatMap(calibratedOf);

/** In percent. */
export interface Figures {
  readonly median: number;
  readonly p90: number;
  readonly covered: number;
}
const figures = (list: Errors): Figures => ({
  median: Number(percent(quantile(absolute(list), 0.5))),
  p90: Number(percent(quantile(absolute(list), 0.9))),
  covered: Math.round(100 * covered(list)),
});

/** What a fit is held to: all runs but those of Megatron-DeepSpeed of 2022, whose two publishers contradict each other. */
export function held(rows: readonly Judged[]): Readonly<Record<"fitted" | "leftOut" | "oneRun", Figures>> {
  const recent = rows.filter((r) => r.stack !== contradicted);
  return {
    fitted: figures(fittedOf(recent)),
    leftOut: figures(leftOutOf(recent)),
    oneRun: figures(allCalibrated(groupsOf(recent))),
  };
}
const contradicted = "megatron-2022";

/** Lines for the page: all runs alike, without the stack of 2022, and every table alike. */
export function summaryOf(rows: readonly Judged[]): string {
  const recent = rows.filter((r) => r.stack !== contradicted);
  const line = (name: string, of: readonly Judged[]): string => {
    const groups = groupsOf(of);
    const cells = [fittedOf(of), leftOutOf(of), allCalibrated(groups)].map(
      (list) =>
        `${percent(quantile(absolute(list), 0.5))} | ${percent(quantile(absolute(list), 0.9))} | ${Math.round(100 * covered(list))}`,
    );
    return `| ${name} | ${of.length} | ${cells.join(" | ")} |`;
  };
  const alike = (pick: (list: readonly Judged[]) => Errors): string => {
    const tables = [...groupsOf(rows).values()].map(pick).filter((list) => list.length > 0);
    const mean = (of: (list: Errors) => number): number => tables.reduce((sum, t) => sum + of(t), 0) / tables.length;
    const at = (q: number): string => percent(mean((t) => quantile(absolute(t), q)));
    return `${at(0.5)} | ${at(0.9)} | ${Math.round(100 * mean(covered))}`;
  };
  return [
    "| | runs | fitted: median % | p90 % | in 80% | left out: median % | p90 % | in 80% | one run: median % | p90 % | in 80% |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
    line("all runs", rows),
    line("without Megatron-DeepSpeed of 2022", recent),
    `| mean over tables | ${groupsOf(rows).size} | ${alike(fittedOf)} | ${alike(leftOutOf)} | ${alike(calibratedOf)} |`,
  ].join("\n");
}
