/** What a configuration costs in calendar time and money, for a step of so many seconds. */
import type { Pricing } from "../../checker/pipeline.js";
import { deviceMemory } from "../../hardware/index.js";
import type { Price } from "../../hardware/types.js";
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
    const price = priceOf(problem, c.context.instance.name, pricing);
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

/** What a machine costs an hour; of several types in one job: their mean. */
export function priceOf(problem: StageProblem, instance: string, pricing: Pricing): Price | undefined {
  const of = (name: string): Price | undefined => findPrice(problem.hardware, name, pricing, regionOf(problem));
  const groups = problem.cluster.groups?.value ?? [];
  const [first] = groups;
  const price = of(first?.instance ?? instance);
  if (price === undefined || groups.length < 2) return price;
  let [sum, machines]: [number | null, number] = [0, 0];
  for (const group of groups) {
    const usd = of(group.instance)?.usdPerHour ?? null;
    sum = usd === null || sum === null ? null : sum + usd * group.count;
    machines += group.count;
  }
  return { ...price, instance, usdPerHour: sum === null ? null : sum / machines };
}

/** What the plan may use of a device's memory. */
export function capacityOf(problem: StageProblem, c: Configuration): Bytes {
  const device = deviceMemory(c.context.instance, c.context.accelerator);
  const budget = problem.pipeline.budget.memory?.value;
  if (budget === undefined) return device;
  return Math.min(device, budget.unit === "ratio" ? device * budget.amount : budget.amount);
}

/** Weights in 2 bytes, master copy and optimizer state of what is trained in 12. */
const checkpointBytes = (problem: StageProblem): Bytes =>
  2 * problem.policy.parameters + 12 * problem.policy.trainableParameters;

export function conditionsOf(problem: StageProblem, c: Configuration, pricing: Pricing): RunConditions {
  const price = priceOf(problem, c.context.instance.name, pricing);
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
