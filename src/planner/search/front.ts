/** Points that no other beats in both time and money. */
export interface Point {
  readonly seconds: number;
  readonly money: number;
}

/** The front, fastest first. Of equal points the first stays. */
export function front<T extends Point>(points: readonly T[]): T[] {
  const sorted = points
    .map((p, i) => ({ p, i }))
    .sort((a, b) => a.p.seconds - b.p.seconds || a.p.money - b.p.money || a.i - b.i);
  const kept: T[] = [];
  let cheapest = Number.POSITIVE_INFINITY;
  for (const { p } of sorted) {
    if (p.money >= cheapest) continue;
    cheapest = p.money;
    kept.push(p);
  }
  return kept;
}
