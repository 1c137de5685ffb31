/** What a run tells while it runs, and what it leaves behind (DESIGN section 7). */
export type RunEvent =
  | {
      readonly kind: "stage";
      readonly stage: string;
      readonly backend: string;
      readonly steps: number;
      readonly startStep: number;
      readonly predicted: { readonly peakBytes: number; readonly stepSeconds: number };
    }
  | { readonly kind: "step"; readonly stage: string; readonly metrics: StepMetrics }
  | {
      readonly kind: "evaluate";
      readonly stage: string;
      readonly step: number;
      readonly losses: Readonly<Record<string, number>>;
    }
  | { readonly kind: "checkpoint"; readonly stage: string; readonly step: number; readonly path: string }
  | { readonly kind: "message"; readonly level: "info" | "warning"; readonly text: string }
  | { readonly kind: "done"; readonly summary: RunSummary };

/** One line of `metrics.jsonl`. */
export interface StepMetrics {
  readonly step: number;
  readonly loss: number;
  readonly tokens: number;
  readonly tokens_per_second: number;
  readonly step_seconds: number;
  readonly peak_bytes: number;
  readonly lr: number;
  readonly grad_norm: number;
  /** Loss per dataset of the mix in this step. */
  readonly losses?: Readonly<Record<string, number>>;
  /** Objective-specific: reward mean, KL, accuracy of preference pairs, expert balance… */
  readonly extra?: Readonly<Record<string, number>>;
}

/** `summary.json` */
export interface RunSummary {
  readonly stages: readonly {
    readonly name: string;
    readonly backend: string;
    readonly predicted: { readonly peak_bytes: number; readonly step_seconds: number };
    readonly measured: {
      readonly peak_bytes: number;
      readonly step_seconds: number;
      readonly tokens_per_second: number;
    };
    readonly first_loss: number;
    readonly final_loss: number;
    readonly steps: number;
  }[];
}

/** What reading and writing throws for a user's mistake; commands show its diagnostic. */
export { RunFailure } from "./failure.js";
