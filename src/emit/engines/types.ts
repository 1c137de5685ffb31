import type { Outcome } from "../../diagnostics/index.js";
import type { StageView } from "../common/stage.js";
import type { EmittedFile } from "../types.js";

/**
 * A stage lowered to an engine. Paths in its configuration are relative to the working folder that `entry.sh` makes on
 * every node: `data/<dataset>/`, `model/` (weights to start from), `teacher/`, `tokenizer/`, `output/`, `checkpoints/`.
 */
export interface EngineBundle {
  /** Relative to the engine folder. */
  readonly files: readonly EmittedFile[];
  readonly launcher: "torchrun" | "accelerate" | "python";
  /** One command per consecutive phase (most have one): program and arguments after the launcher's own. */
  readonly commands: readonly (readonly string[])[];
  readonly env: Readonly<Record<string, string>>;
  /** For pip, exact versions. */
  readonly requirements: readonly string[];
  /** Commands before training, on every node (data preparation). */
  readonly before?: readonly (readonly string[])[];
  /** Commands after training, on the first node (weights into `output/`). */
  readonly after?: readonly (readonly string[])[];
  /** Said in the README: what runs differently from the plan's picture, and why it is the same training. */
  readonly notes: readonly string[];
}

/** A step as an engine tells it, in the terms of `metrics.jsonl`. */
export interface EngineStep {
  readonly step: number;
  readonly loss: number;
  readonly tokens: number;
  readonly tokens_per_second: number;
  readonly step_seconds: number;
  /** 0: not known. */
  readonly peak_bytes: number;
  readonly lr: number;
  readonly grad_norm: number;
}

export interface EngineLowering {
  readonly name: string;
  /** What pip must install to run it on this machine; absent: it cannot be started here. */
  readonly requirements?: readonly string[];
  /** Stops after LLMP_STEPS optimizer steps, on the learning rate of the whole stage. */
  readonly stopsEarly?: boolean;
  /** Reads what `llmp data build -o` wrote in place of raw data, for these objectives. */
  readonly readsRows: readonly string[];
  /** For engines that write no `metrics.jsonl`: the step that a line of their log tells. */
  readonly stepOf?: (line: string) => EngineStep | undefined;
  readonly lower: (view: StageView) => Outcome<EngineBundle>;
}
