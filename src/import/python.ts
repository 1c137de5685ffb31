/** Calls with keyword arguments in Python text, as plain data. Nothing is run; what is no literal or call is its text. */

interface Cursor {
  readonly text: string;
  at: number;
  depth: number;
}

/** `f(a=1, b=g(c=[2]))` → `{ $call: "f", a: 1, b: { $call: "g", c: [2] } }`; positional arguments are `$0`, `$1`… */
export type Call = { readonly $call: string } & Readonly<Record<string, unknown>>;

/** The first call of `name` from `from` on. */
export function callOf(text: string, name: string, from = 0): Call | undefined {
  const at = text.indexOf(`${name}(`, from);
  if (at < 0) return undefined;
  const value = expression({ text, at, depth: 0 });
  return typeof value === "object" && value !== null && "$call" in value ? (value as Call) : undefined;
}

/** Bodies of top-level functions, by name. */
export function functions(text: string): ReadonlyMap<string, string> {
  const heads = [...text.matchAll(/^def\s+(\w+)\s*\(/gm)];
  return new Map(heads.map((m, i) => [m[1] ?? "", text.slice(m.index, heads[i + 1]?.index ?? text.length)]));
}

function blank(c: Cursor): void {
  const skipped = /(?:\s+|#[^\n]*|\\\n)*/y;
  skipped.lastIndex = c.at;
  c.at += skipped.exec(c.text)?.[0].length ?? 0;
}

function expression(c: Cursor): unknown {
  blank(c);
  if (c.depth > 60) return text(c);
  const rest = c.text.slice(c.at, c.at + 200);
  const string = /^[rbf]?("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/.exec(
    c.text.slice(c.at, c.at + 5000),
  );
  if (string !== null) {
    c.at += string[0].length;
    const body = string[1] ?? "";
    return body.startsWith('"""') || body.startsWith("'''") ? body.slice(3, -3) : body.slice(1, -1);
  }
  const number = /^[-+]?(?:\d[\d_]*\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)(?=\s*[,)\]}:\n])/.exec(rest);
  if (number !== null) {
    c.at += number[0].length;
    return Number(number[0].replaceAll("_", ""));
  }
  const name = /^[A-Za-z_][\w.]*/.exec(rest)?.[0];
  if (name !== undefined) {
    const after = c.at + name.length;
    if (c.text[after] === "(") {
      c.at = after + 1;
      return { $call: name, ...keyed(c) };
    }
    if (/^\s*[,)\]}\n]/.test(c.text.slice(after, after + 40))) {
      c.at = after;
      return name === "True" ? true : name === "False" ? false : name === "None" ? null : name;
    }
    return text(c);
  }
  if (c.text[c.at] === "[" || c.text[c.at] === "(") return list(c);
  if (c.text[c.at] === "{") return dictionary(c);
  return text(c);
}

function inside<T>(c: Cursor, close: string, item: () => T, add: (value: T) => void): void {
  c.depth++;
  for (;;) {
    blank(c);
    if (c.at >= c.text.length) break;
    if (c.text[c.at] === close) {
      c.at++;
      break;
    }
    if (c.text[c.at] === ",") {
      c.at++;
      continue;
    }
    const before = c.at;
    add(item());
    if (c.at === before) c.at++;
  }
  c.depth--;
}

function keyed(c: Cursor): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  let place = 0;
  inside(
    c,
    ")",
    () => {
      const [whole, key] = /^(\w+)\s*=(?!=)\s*/.exec(c.text.slice(c.at, c.at + 200)) ?? [];
      if (whole !== undefined) c.at += whole.length;
      return [key, expression(c)] as const;
    },
    ([key, value]) => {
      out[key ?? `$${place++}`] = value;
    },
  );
  return out;
}

function list(c: Cursor): unknown[] {
  const out: unknown[] = [];
  const close = c.text[c.at] === "[" ? "]" : ")";
  c.at++;
  inside(
    c,
    close,
    () => expression(c),
    (value) => out.push(value),
  );
  return out;
}

function dictionary(c: Cursor): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  c.at++;
  inside(
    c,
    "}",
    () => {
      const key = expression(c);
      blank(c);
      if (c.text[c.at] === ":") c.at++;
      return [String(key), expression(c)] as const;
    },
    ([key, value]) => {
      out[key] = value;
    },
  );
  return out;
}

/** Anything else, up to the end of this argument. */
function text(c: Cursor): string {
  const start = c.at;
  let depth = 0;
  for (; c.at < c.text.length; c.at++) {
    const ch = c.text[c.at] ?? "";
    if (/[([{]/.test(ch)) depth++;
    else if (/[)\]}]/.test(ch)) {
      if (depth === 0) break;
      depth--;
    } else if (ch === "," && depth === 0) break;
  }
  return c.text.slice(start, c.at).trim();
}
