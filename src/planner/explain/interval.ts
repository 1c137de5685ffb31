/** How far off a prediction may be: from the residuals of measured runs of this stack, else a stated guess. */

import { publishedSpread } from "../calibrate/spread.js";
import type { ConfidenceInterval } from "../plan.js";
import type { CalibrationFile, StageContext } from "../types.js";

export interface Spread {
  /** Measured over predicted, low and high. */
  readonly time: ConfidenceInterval;
  readonly memory: ConfidenceInterval;
  readonly basis: string;
}

export const confidence = 0.8;

/** Of a stack that nobody measured. */
const unmeasured: Spread = {
  time: [0.88, 1.15],
  memory: [0.96, 1.04],
  basis: "no measured runs of this stack: a wide guess",
};

export function spreadOf(context: StageContext, file: CalibrationFile | undefined = context.calibration): Spread {
  const stack = file?.stacks.find(
    (s) => s.engine === context.engine.name && s.accelerator === context.accelerator.name,
  );
  if (stack === undefined || stack.rows === 0) return fromPublished(context);
  const basis = `residuals of ${stack.rows} run${stack.rows === 1 ? "" : "s"} of ${stack.engine} on ${stack.accelerator}`;
  return {
    time: around(stack.timeResiduals, unmeasured.time),
    memory: around(stack.memoryResiduals, unmeasured.memory),
    basis,
  };
}

/** Without a calibration: what published runs of the stack show. */
function fromPublished({ engine, accelerator }: StageContext): Spread {
  const { time, rows } = publishedSpread(engine.name, accelerator.generation);
  if (rows === 0) return { ...unmeasured, time };
  return {
    time,
    memory: unmeasured.memory,
    basis: `residuals of ${rows} published runs of ${engine.name}, and how publishers differ`,
  };
}

/** Residuals are predicted / measured − 1; what is wanted is measured / predicted. */
function around(residuals: readonly number[], fallback: ConfidenceInterval): ConfidenceInterval {
  if (residuals.length < 3) return fallback;
  const ratios = residuals.map((r) => 1 / (1 + r)).sort((a, b) => a - b);
  const at = (q: number): number => {
    const x = q * (ratios.length - 1);
    const i = Math.floor(x);
    return ratios[i]! + (ratios[Math.min(i + 1, ratios.length - 1)]! - ratios[i]!) * (x - i);
  };
  const tail = (1 - confidence) / 2;
  return [Math.min(1, at(tail)), Math.max(1, at(1 - tail))];
}
