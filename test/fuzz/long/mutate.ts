import { mutateJson } from "./mutate-json.js";

/** Random edits of seeds: cut, doubled, swapped and spliced pieces, flipped bits, and words that readers stumble over. */
const words = [
  "{",
  "}",
  "[",
  "]",
  "(",
  ")",
  '"',
  "\\",
  "\n",
  "\r\n",
  "\t",
  "=",
  ",",
  ":",
  "..",
  "|",
  "#",
  "$",
  "%",
  "-",
  "*",
  "/",
  "<",
  "<=",
  "from",
  "every",
  "auto",
  "null",
  "true",
  "-1",
  "0",
  "1e999",
  "9007199254740993",
  "18446744073709551615",
  "1e-400",
  "0x",
  "Ki",
  "é",
  "\u0000",
  "\ufeff",
  "😀",
  "\ud800",
  "__proto__",
  "constructor",
  "toString",
  "[[[[[[[[[[[[",
  "{{{{{{{{{{{{",
  "../",
  "std/llama3",
  "import ",
  "param a: int = a",
  "let a = a\n",
].map((w) => new TextEncoder().encode(w));

export function mutator(seeds: readonly Uint8Array[], seed: number, json = false): () => Uint8Array {
  let state = seed >>> 0 || 1;
  /** xorshift32: the same seed, the same inputs. */
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % Math.max(1, below);
  };
  const pick = <T>(all: readonly T[]): T => all[random(all.length)] as T;
  const splice = (input: Uint8Array, from: number, to: number, part: Uint8Array): Uint8Array => {
    const out = new Uint8Array(from + part.length + input.length - to);
    out.set(input.subarray(0, from));
    out.set(part, from);
    out.set(input.subarray(to), from + part.length);
    return out;
  };
  const piece = (input: Uint8Array): readonly [number, number] => {
    const from = random(input.length + 1);
    return [from, Math.min(input.length, from + random(24))];
  };
  const edits: readonly ((input: Uint8Array) => Uint8Array)[] = [
    (input) => splice(input, ...piece(input), new Uint8Array()),
    (input) => splice(input, ...([random(input.length + 1)].flatMap((p) => [p, p]) as [number, number]), pick(words)),
    (input) => splice(input, ...piece(input), pick(words)),
    (input) => {
      const [from, to] = piece(input);
      return splice(input, to, to, input.slice(from, to));
    },
    (input) => {
      const other = pick(seeds);
      const [from, to] = piece(other);
      return splice(input, ...piece(input), other.slice(from, to));
    },
    (input) => {
      const out = input.slice();
      if (out.length > 0) out[random(out.length)] = random(256);
      return out;
    },
    (input) => {
      const out = input.slice();
      const where = random(out.length);
      if (out.length > 0) out[where] = (out[where] as number) ^ (1 << random(8));
      return out;
    },
    (input) => input.slice(0, random(input.length + 1)),
  ];
  return () => {
    let input = pick(seeds);
    if (json && random(3) > 0) return mutateJson(input, random);
    for (let left = 1 + random(5); left > 0; left--) input = pick(edits)(input);
    return input;
  };
}
