/** Collectives by tier: inside a fast domain, and between nodes whose network cards all crossing groups share. */
import type { Rates } from "./rates.js";

/** A group of ranks: how many, and how many of them sit in one domain. */
export interface Group {
  readonly size: number;
  readonly local: number;
}

/** Ranks `stride` apart: the first axes are the fastest and fill a domain first. */
export function groupOf(r: Rates, size: number, stride: number): Group {
  const domain = Math.max(1, Math.min(r.machine.domain, 1 << 20));
  const place = Math.max(1, Math.floor(Math.max(domain, 1) / stride));
  return { size, local: Math.max(1, Math.min(size, place)) };
}

/** All-gather or reduce-scatter of `bytes` in all (what one rank holds afterwards, or before). */
export function gatherSeconds(r: Rates, bytes: number, group: Group): number {
  if (group.size <= 1 || bytes <= 0) return 0;
  const nodes = Math.ceil(group.size / group.local);
  const inside = group.local > 1 ? (bytes * (group.size - 1)) / group.size / r.link : 0;
  // A ring takes one hop a rank inside a domain (at most eight: larger domains switch in hardware), trees cross nodes.
  const latency = (r.constants["link.base"] ?? 1e-5) + r.linkLatency * (Math.min(group.local, 8) - 1);
  if (nodes === 1) return inside + latency;
  const domain = Math.min(r.machine.domain, Math.max(group.local, r.machine.domain));
  // All groups of a domain cross at once and share its cards.
  const sharing = Math.max(1, domain / group.local);
  const cards = r.network * Math.max(1, domain / r.machine.perNode);
  const between = (bytes * (nodes - 1) * sharing) / nodes / cards;
  return Math.max(inside, between) + latency + r.networkLatency * Math.log2(nodes + 1);
}

export const allReduceSeconds = (r: Rates, bytes: number, group: Group): number => 2 * gatherSeconds(r, bytes, group);

/** Each rank sends `bytes` in all, evenly to all others. */
export function allToAllSeconds(r: Rates, bytes: number, group: Group): number {
  if (group.size <= 1 || bytes <= 0) return 0;
  const away = (group.size - group.local) / group.size;
  const inside = (bytes * (group.local - 1)) / group.size / r.link;
  const perRank = r.network / r.machine.perNode;
  const between = (bytes * away) / (perRank * (r.constants.alltoall ?? 0.7));
  return Math.max(inside, between) + r.linkLatency + (away > 0 ? r.networkLatency : 0);
}

/** From one pipeline rank to the next. */
export function sendSeconds(r: Rates, bytes: number, stride: number): number {
  const crosses = stride >= r.machine.domain;
  return crosses ? bytes / (r.network / r.machine.perNode) + r.networkLatency : bytes / r.link + r.linkLatency;
}
