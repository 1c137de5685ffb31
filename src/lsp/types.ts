/** What the server asks its analysis workers, and what they answer. Plain data. */
import type { SettingLine } from "../checker/index.js";
import type { Diagnostic } from "../diagnostics/index.js";
import type { Plan, StagePlan } from "../planner/plan.js";

export interface AnalysisRequest {
  readonly id: number;
  /** `check`: mistakes and resolved values; `plan`: the same and a plan in short, or `whole`; `report`: it as a page. */
  readonly kind: "check" | "plan" | "whole" | "report";
  /** The project's folder; `file` and `texts` are relative to it. */
  readonly root: string;
  readonly file: string;
  /** What the editor holds of files, saved or not. */
  readonly texts: readonly (readonly [path: string, text: string])[];
}

export interface AnalysisReply {
  readonly id: number;
  readonly diagnostics: readonly Diagnostic[];
  readonly settings?: readonly SettingLine[];
  /** Changes when the meaning of the file does: comments and layout leave it. */
  readonly meaning?: string;
  /** Parameters of each model that is used. */
  readonly parameters?: Readonly<Record<string, number>>;
  readonly plan?: PlanSummary;
  readonly whole?: Plan;
  readonly page?: string;
  /** A fault of ours, in words. */
  readonly failure?: string;
}

/** A stage without its long lists (timeline, schedule, tensors). */
export type StageSummary = Pick<
  StagePlan,
  "name" | "engine" | "precision" | "cluster" | "parallel" | "cost" | "interval" | "decisions" | "offload"
> & {
  readonly parameters: number;
  readonly recompute: string;
  readonly memory: Pick<StagePlan["memory"], "peak_bytes" | "capacity_bytes" | "fits" | "peak_at">;
  readonly time: Pick<StagePlan["time"], "step_seconds" | "total_seconds" | "tokens_per_second_per_device" | "mfu">;
};

export interface PlanSummary {
  readonly outcome: Plan["outcome"];
  readonly stages: readonly StageSummary[];
  readonly relaxations: Plan["relaxations"];
  readonly totals: Plan["totals"];
}
