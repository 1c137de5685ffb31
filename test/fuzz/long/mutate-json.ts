/** Changed values of a JSON text: another type, another size, a key lost, doubled or renamed. Text that is not JSON stays. */
const odd: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  -0,
  0.5,
  1e308,
  -1e308,
  5e-324,
  2 ** 31,
  2 ** 53,
  "",
  " ",
  "0",
  "../../x",
  "a\u0000b",
  "\ud800",
  "__proto__",
  "constructor",
  "$(x)",
  "NaN",
  [],
  {},
  [[]],
  [null],
  { length: 3 },
];

type Random = (below: number) => number;

export function mutateJson(input: Uint8Array, random: Random): Uint8Array {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(input));
  } catch {
    return input;
  }
  for (let left = 1 + random(3); left > 0; left--) value = changed(value, random);
  return new TextEncoder().encode(JSON.stringify(value) ?? "null");
}

/** Copies the path to the place that is changed, and nothing else. */
function changed(value: unknown, random: Random): unknown {
  const enter = typeof value === "object" && value !== null && random(8) > 0;
  if (!enter) return other(value, random);
  if (Array.isArray(value)) return changedList(value, random);
  const entries = Object.entries(value as object);
  if (entries.length === 0) return other(value, random);
  const at = random(entries.length);
  const [key, inner] = entries[at] as [string, unknown];
  const what = random(12);
  if (what === 0) entries.splice(at, 1);
  else if (what === 1) entries[at] = [String(odd[random(odd.length)]), inner];
  else if (what === 2) entries[at] = [key, (entries[random(entries.length)] as [string, unknown])[1]];
  else entries[at] = [key, changed(inner, random)];
  return Object.fromEntries(entries);
}

function changedList(list: readonly unknown[], random: Random): unknown {
  if (list.length === 0) return other(list, random);
  const at = random(list.length);
  const out = [...list];
  const what = random(8);
  if (what === 0) out.splice(at, 1);
  else if (what === 1) out.splice(at, 0, list[random(list.length)]);
  else out[at] = changed(list[at], random);
  return out;
}

function other(value: unknown, random: Random): unknown {
  if (typeof value === "number" && random(2) === 0)
    return [value + 1, value - 1, -value, value * 1e6, value / 3, Math.trunc(value)][random(6)];
  if (typeof value === "string" && random(2) === 0) return value.slice(0, random(value.length)) + value;
  return odd[random(odd.length)];
}
