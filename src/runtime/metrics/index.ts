import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { writeWhole } from "../../files/index.js";
import type { MetricsSink } from "../interfaces.js";
import type { StepMetrics } from "../types.js";
import { type HeldOut, JsonlWriter } from "./jsonl.js";
import { runReport } from "./report.js";
import { readRun } from "./runs.js";
import { EventWriter } from "./tensorboard.js";

export { readMetrics } from "./jsonl.js";
export { runReport } from "./report.js";
export * from "./runs.js";
export { measuredOf } from "./summary.js";
export { crc32c, EventWriter, record, scalarEvent } from "./tensorboard.js";

/** Scalars of one step as TensorBoard groups them. */
function scalarsOf(m: StepMetrics): Record<string, number> {
  return {
    "train/loss": m.loss,
    "train/lr": m.lr,
    "train/grad_norm": m.grad_norm,
    "speed/tokens_per_second": m.tokens_per_second,
    "speed/step_seconds": m.step_seconds,
    "memory/peak_bytes": m.peak_bytes,
    ...Object.fromEntries(Object.entries(m.losses ?? {}).map(([name, loss]) => [`loss/${name}`, loss])),
    ...Object.fromEntries(Object.entries(m.extra ?? {}).map(([name, value]) => [`extra/${name}`, value])),
  };
}

/**
 * `runs/NAME/STAGE/metrics.jsonl` and `held-out.jsonl`, `runs/NAME/tensorboard/STAGE/`, `summary.json` and `report.html`.
 * A `stage` event with a `startStep` drops what an interrupted run wrote after its last checkpoint.
 */
export function openMetrics(runFolder: string): MetricsSink {
  mkdirSync(runFolder, { recursive: true });
  interface Open {
    readonly jsonl: JsonlWriter<StepMetrics>;
    readonly heldOut: JsonlWriter<HeldOut>;
    readonly events: EventWriter;
  }
  const files = new Map<string, Open>();
  const of = (stage: string, startStep = Number.POSITIVE_INFINITY) => {
    let open = files.get(stage);
    if (open === undefined) {
      open = {
        jsonl: new JsonlWriter(join(runFolder, stage, "metrics.jsonl"), startStep),
        heldOut: new JsonlWriter(join(runFolder, stage, "held-out.jsonl"), startStep),
        events: new EventWriter(join(runFolder, "tensorboard", stage)),
      };
      files.set(stage, open);
    }
    return open;
  };
  return {
    step(stage, metrics) {
      const { jsonl, events } = of(stage);
      jsonl.write(metrics);
      events.scalars(metrics.step, scalarsOf(metrics));
    },
    event(event) {
      if (event.kind === "stage") {
        // A stage that starts again in the same run, after a worker failed.
        files.get(event.stage)?.jsonl.close();
        files.get(event.stage)?.heldOut.close();
        files.get(event.stage)?.events.close();
        files.delete(event.stage);
        of(event.stage, event.startStep);
      } else if (event.kind === "evaluate") {
        of(event.stage).heldOut.write({ step: event.step, losses: event.losses });
        of(event.stage).events.scalars(
          event.step,
          Object.fromEntries(Object.entries(event.losses).map(([name, loss]) => [`eval/${name}`, loss])),
        );
      }
    },
    async summary(summary) {
      writeWhole(join(runFolder, "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
    },
    async close() {
      for (const { jsonl, heldOut, events } of files.values()) {
        jsonl.close();
        heldOut.close();
        events.close();
      }
      // Also of a run that failed or was stopped; a finished one has its summary by now.
      if (files.size > 0) writeWhole(join(runFolder, "report.html"), runReport(readRun(runFolder)));
      files.clear();
    },
  };
}
