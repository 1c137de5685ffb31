/** One spelling for one value: keys sorted, no clock, so that equal plans have equal bytes. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Plan } from "./plan.js";

export function canonicalJson(value: unknown, indent = 0): string {
  return JSON.stringify(sorted(value), undefined, indent);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value === "number" && !Number.isFinite(value)) return null;
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([k, v]) => [k, sorted(v)]));
}

/** Without `hash` and without the seconds that searching took. */
export function planHash(plan: Omit<Plan, "hash"> & { hash?: string }): string {
  const { hash: _, ...rest } = plan;
  const stages = rest.stages.map((s) => ({ ...s, search: { ...s.search, seconds: 0 } }));
  return bytesToHex(sha256(utf8ToBytes(canonicalJson({ ...rest, stages }))));
}
