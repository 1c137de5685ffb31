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

/** Beyond so many nodes libraries leave the ring (NCCL 2.23's PAT), or the group is split in two levels. */
const longestRing = 128;

/** All-gather or reduce-scatter of `bytes` in all (what one rank holds afterwards, or before): a ring over nodes. */
export const gatherSeconds = (r: Rates, bytes: number, group: Group): number =>
  ringSeconds(r, bytes, group, Math.min(longestRing, Math.ceil(group.size / group.local) - 1));

function ringSeconds(r: Rates, bytes: number, group: Group, hops: number): number {
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
  return Math.max(inside, between) + latency + r.networkLatency * hops;
}

/** What of a gather gets in the way of kernels beside it: copies through device memory and links, not waiting for a network. */
export function contendedSeconds(r: Rates, bytes: number, group: Group): number {
  if (group.size <= 1 || bytes <= 0) return 0;
  const hops = Math.min(longestRing, Math.ceil(group.size / group.local) - 1);
  return (bytes * (group.size - 1)) / group.size / r.link + r.networkLatency * hops;
}

/** Reduce-scatter and all-gather, over a tree of nodes. */
export const allReduceSeconds = (r: Rates, bytes: number, group: Group): number =>
  2 * ringSeconds(r, bytes, group, Math.log2(Math.ceil(group.size / group.local) + 1));

/** Of `copies` sent to places drawn evenly among `places`, the share that is left when each place gets at most one. */
const distinct = (copies: number, places: number): number =>
  copies <= 1 ? 1 : (places * (1 - (1 - 1 / places) ** copies)) / copies;

/** Each rank sends `bytes` in all, evenly to all others; `copies` of each token, one a place where they are merged. */
export function allToAllSeconds(r: Rates, bytes: number, group: Group, copies = 1): number {
  if (group.size <= 1 || bytes <= 0) return 0;
  const away = (group.size - group.local) / group.size;
  const nodes = Math.max(1, group.size / group.local);
  const inside = (distinct(copies, group.size) * bytes * (group.local - 1)) / group.size / r.link;
  const perRank = r.network / r.machine.perNode;
  const between = (distinct(copies, nodes) * bytes * away) / (perRank * (r.constants.alltoall ?? 0.7));
  return Math.max(inside, between) + r.linkLatency + (away > 0 ? r.networkLatency : 0);
}

/** From one pipeline rank to the next. */
export function sendSeconds(r: Rates, bytes: number, stride: number): number {
  const crosses = stride >= r.machine.domain;
  return crosses ? bytes / (r.network / r.machine.perNode) + r.networkLatency : bytes / r.link + r.linkLatency;
}
