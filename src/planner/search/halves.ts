/** Groups of layouts in two: ways of sharding and schedules that are alike stay together, so that one bound tells much of each. */
import { gathersWeights } from "../layout/index.js";
import type { ParallelPlan } from "../plan.js";
import type { LayoutGroup } from "../types.js";

export const alone = ({ shards, schedules }: LayoutGroup): boolean => shards.length === 1 && schedules.length === 1;

/** Of a group of one. */
export const only = ({ parallel, shards, schedules }: LayoutGroup): ParallelPlan => ({
  ...parallel,
  ...shards[0]!,
  ...schedules[0]!,
});

/** Parts of a list are made once: bounds remember what they know of a list. */
const known = new WeakMap<readonly unknown[], readonly [readonly unknown[], readonly unknown[]]>();
function inTwo<T>(list: readonly T[], at: number): readonly [readonly T[], readonly T[]] {
  const found = known.get(list) as readonly [readonly T[], readonly T[]] | undefined;
  if (found !== undefined) return found;
  const made = [list.slice(0, at), list.slice(at)] as const;
  known.set(list, made);
  return made;
}

/** The place nearest to the middle where neighbours differ in kind; the middle where none do. */
function seam<T>(list: readonly T[], differ: (a: T, b: T) => boolean): number {
  const middle = list.length / 2;
  let best = 0;
  for (let i = 1; i < list.length; i++)
    if (differ(list[i - 1]!, list[i]!) && (best === 0 || Math.abs(i - middle) < Math.abs(best - middle))) best = i;
  return best === 0 ? list.length >> 1 : best;
}

/**
 * Two groups that are the group. Schedules stay together longest: a group's bound knows the best of them, while the least
 * memory and the least traffic of several ways of sharding are never those of one.
 */
export function halvesOf(group: LayoutGroup): readonly LayoutGroup[] {
  const { shards, schedules } = group;
  if (shards.length > 1) {
    const at = seam(shards, (a, b) => gathersWeights(a.shard) !== gathersWeights(b.shard));
    return inTwo(shards, at).map((part): LayoutGroup => ({ ...group, shards: part }));
  }
  const at = seam(schedules, (a, b) => a.schedule !== b.schedule);
  return inTwo(schedules, at).map((part): LayoutGroup => ({ ...group, schedules: part }));
}
