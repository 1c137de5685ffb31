import type { Pricing } from "../../checker/pipeline.js";
import type { Hardware, Price } from "../../hardware/types.js";
import type { Seconds, Usd } from "../../units/index.js";
import { type CostPlan, standInPrice } from "../plan.js";
import { costFacts } from "./facts.js";
import type { Goodput, RunConditions } from "./goodput.js";

/** The price entry of a machine; the region of the file first. Later entries override earlier ones. */
export function findPrice(hardware: Hardware, instance: string, pricing: Pricing, region: string): Price | undefined {
  const matches = hardware.prices.filter((p) => p.instance === instance && p.pricing === pricing);
  return matches.filter((p) => p.region === region).at(-1) ?? matches.filter((p) => p.region === "*").at(-1);
}

const day = 86_400;

/** Seconds that are paid for. Capacity blocks are sold by the day (AWS: 1 to 14 days, then whole weeks up to 182). */
export function paidSeconds(total: Seconds, pricing: Pricing): Seconds {
  if (pricing !== "capacity_block") return total;
  const days = Math.ceil(total / day);
  return (days <= 14 ? days : Math.ceil(days / 7) * 7) * day;
}

export function machineUsd(price: Price | undefined, machines: number, total: Seconds, pricing: Pricing): Usd | null {
  if (price === undefined || price.usdPerHour === null) return null;
  return (price.usdPerHour * machines * paidSeconds(total, pricing)) / 3600;
}

export const storageUsd = (c: RunConditions, total: Seconds): Usd =>
  c.local
    ? 0
    : c.checkpointBytes * costFacts.checkpointsKept.value * costFacts.storageUsdPerByteHour.value * (total / 3600);

/** Whole cost of a stage; null where the price is unknown. */
export function stageUsd(
  price: Price | undefined,
  machines: number,
  pricing: Pricing,
  conditions: RunConditions,
  total: Seconds,
): Usd | null {
  if (conditions.local) return 0;
  const usd = machineUsd(price, machines, total, pricing);
  return usd === null ? null : usd + storageUsd(conditions, total);
}

export function costPlan(
  price: Price | undefined,
  machines: number,
  pricing: Pricing,
  conditions: RunConditions,
  goodput: Goodput,
): CostPlan {
  if (conditions.local) {
    return { usd: 0, pricing: "local", usd_per_hour: 0, price_source: "this machine", price_date: "", breakdown: [] };
  }
  const perHour = price?.usdPerHour ?? null;
  const total = goodput.totalSeconds;
  const usd = stageUsd(price, machines, pricing, conditions, total);
  const source =
    price === undefined
      ? "no price known"
      : price.usdPerHour === null
        ? `unknown: ${price.source}`
        : `${price.source}${price.standIn === true ? ` (${standInPrice})` : ""}`;
  const rate = perHour === null ? 0 : (perHour * machines) / 3600;
  const paid = paidSeconds(total, pricing);
  const parts =
    usd === null
      ? []
      : [
          { what: "training", usd: rate * (total - goodput.saves - goodput.lost - goodput.warmup) },
          { what: "checkpoint saves", usd: rate * goodput.saves },
          { what: "failures and restarts", usd: rate * goodput.lost },
          { what: "warm-up", usd: rate * goodput.warmup },
          { what: "paid but unused", usd: rate * (paid - total) },
          { what: "checkpoint storage", usd: storageUsd(conditions, total) },
        ].filter((p) => p.usd > 0);
  return {
    usd,
    pricing,
    usd_per_hour: perHour === null ? null : perHour * machines,
    price_source: source,
    price_date: price?.date ?? "",
    breakdown: parts,
  };
}
