import type { EngineStep } from "../types.js";

const step = /\btraining @ step\s+([\d,]+)\//;
const figures = {
  tokens: /consumed tokens:\s*([\d,]+)/,
  milliseconds: /step time:\s*([\d.]+) ms/,
  mebibytes: /max allocated\s+([\d.,]+) MiB/,
  lr: /learning rate:\s*([\d.e+-]+)/,
  norm: /grad norm:\s*([\d.e+-]+|nan|inf)/,
  loss: /lm_head_loss:\s*([\d.e+-]+|nan|inf)/,
};

/** A step of Fast-LLM 0.4.0's log, which has one line each (logs.interval 1). On a CPU it knows no memory: 0. */
export function fastLlmStep(line: string): EngineStep | undefined {
  const at = step.exec(line);
  if (at === null) return undefined;
  const figure = (name: keyof typeof figures): number =>
    Number((figures[name].exec(line)?.[1] ?? "nan").replace(/,/g, ""));
  const seconds = figure("milliseconds") / 1e3;
  const tokens = figure("tokens");
  const number = Number((at[1] ?? "").replace(/,/g, ""));
  return {
    step: number,
    loss: figure("loss"),
    tokens,
    tokens_per_second: tokens / number / seconds,
    step_seconds: seconds,
    peak_bytes: Math.round(figure("mebibytes") * 2 ** 20) || 0,
    lr: figure("lr"),
    grad_norm: figure("norm"),
  };
}
