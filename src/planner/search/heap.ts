/** A binary heap: the smallest key first, of equal keys the first that was pushed. */
export class Heap<T extends { readonly key: number }> {
  private readonly items: { readonly item: T; readonly order: number }[] = [];
  private pushed = 0;

  push(item: T): void {
    const { items } = this;
    let at = items.length;
    const entry = { item, order: this.pushed++ };
    items.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = entry;
  }

  pop(): T | undefined {
    const { items } = this;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined || items.length === 0) return top?.item;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
      if (!before(items[child]!, last)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = last;
    return top.item;
  }
}

const before = (a: { item: { key: number }; order: number }, b: { item: { key: number }; order: number }): boolean =>
  a.item.key < b.item.key || (a.item.key === b.item.key && a.order < b.order);
