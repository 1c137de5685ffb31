/** What a configuration costs in calendar time and money, for a step of so many seconds. */
import type { Pricing } from "../../checker/pipeline.js";
import type { Bytes, Seconds } from "../../units/index.js";
import { calendar, costFacts, findPrice, type RunConditions, stageUsd } from "../cost/index.js";
import type { Configuration, StageProblem } from "./problem.js";
import { saveEverySeconds } from "./save.js";

/** One way of paying for a configuration. */
export interface Offer {
  readonly pricing: Pricing;
  readonly seconds: Seconds;
  /** Dollars; without a known price device hours over `unknownMoney`. For comparing only. */
  readonly money: number;
  readonly priced: boolean;
}

/** What no price is known for is dearer than all that has one; among themselves, fewer device hours are cheaper. */
export const unknownMoney = 1e12;

/** For each pricing that the file allows: calendar time and money as a function of the step. Both grow with it. */
export function offersOf(problem: StageProblem, c: Configuration): (step: Seconds) => readonly Offer[] {
  const terms = problem.pricings.map((pricing) => {
    const conditions = conditionsOf(problem, c, pricing);
    const price = findPrice(problem.hardware, c.context.instance.name, pricing, regionOf(problem));
    return { pricing, conditions, price, priced: conditions.local || (price?.usdPerHour ?? null) !== null };
  });
  return (step) =>
    terms.map(({ pricing, conditions, price, priced }) => {
      const { totalSeconds } = calendar(step * c.steps, withSave(problem, conditions, step));
      const usd = stageUsd(price, c.count, pricing, conditions, totalSeconds);
      return {
        pricing,
        seconds: totalSeconds,
        money: usd ?? unknownMoney + (totalSeconds * c.devices) / 3600,
        priced,
      };
    });
}

export const regionOf = (problem: StageProblem): string => problem.cluster.region?.value ?? "us-east-1";

/** What the plan may use of a device's memory. */
export function capacityOf(problem: StageProblem, c: Configuration): Bytes {
  const device = c.context.instance.acceleratorMemoryBytes ?? c.context.accelerator.memoryBytes;
  const budget = problem.pipeline.budget.memory?.value;
  if (budget === undefined) return device;
  return Math.min(device, budget.unit === "ratio" ? device * budget.amount : budget.amount);
}

/** Weights in 2 bytes, master copy and optimizer state of what is trained in 12. */
const checkpointBytes = (problem: StageProblem): Bytes =>
  2 * problem.policy.parameters + 12 * problem.policy.trainableParameters;

export function conditionsOf(problem: StageProblem, c: Configuration, pricing: Pricing): RunConditions {
  const price = findPrice(problem.hardware, c.context.instance.name, pricing, regionOf(problem));
  return {
    devices: c.devices,
    machines: c.count,
    spot: pricing === "spot",
    interruptionsPerHour: price?.interruptionsPerHour ?? defaultInterruptions,
    checkpointBytes: checkpointBytes(problem),
    local: problem.cluster.provider.value === "local",
  };
}

const defaultInterruptions = costFacts.spotInterruptionsPerHour.value;

export const withSave = (problem: StageProblem, conditions: RunConditions, step: Seconds): RunConditions => {
  const saveEvery = saveEverySeconds(problem.stage, step);
  return saveEvery === undefined ? conditions : { ...conditions, saveEvery };
};
