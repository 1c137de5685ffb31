/** What the parser says, in the user's words. One place, so that tone and hints stay alike. */
import type { CstNode, IToken } from "chevrotain";
import { type Diagnostic, type Fix, parseCodes } from "../diagnostics/index.js";
import type { Span } from "../text/index.js";
import * as t from "./tokens.js";

const { report } = parseCodes;
const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", '"': '"', "\\": "\\", "/": "/" };

export class Messages {
  constructor(
    readonly file: string,
    readonly add: (diagnostic: Diagnostic) => void,
  ) {}

  span(token: IToken): Span {
    return { file: this.file, start: token.startOffset, end: token.startOffset + token.image.length };
  }

  /** A token as a reader would call it. */
  found(token: IToken): string {
    const { image } = token;
    if (image === "") return "the end";
    return `\`${image.length > 40 ? `${image.slice(0, 37)}…` : image}\``;
  }

  #replace(token: IToken, text: string, title: string, safe = true): Fix {
    return { title, safe, edits: [{ span: this.span(token), text }] };
  }

  unknown(token: IToken): void {
    const hint = token.image.startsWith("$")
      ? "values that change from run to run are a `param`: `param gpus: int = 8`, then `--set gpus=16`"
      : "names have letters, digits, `_`, `.` and `-`; other text goes in double quotes";
    this.add(report("LLMP0101", this.span(token), { text: token.image }, { hints: [hint] }));
  }

  /** Unescapes a text, and says what is wrong with how it is written. */
  text(token: IToken): string {
    const { image, tokenType } = token;
    if (tokenType === t.BarePath) {
      const quoted = `"${image}"`;
      this.add(
        report(
          "LLMP0104",
          this.span(token),
          {},
          {
            hints: [`write \`${quoted}\``],
            fixes: [this.#replace(token, quoted, "Put it in quotes")],
          },
        ),
      );
      return image;
    }
    if (tokenType === t.SingleString || tokenType === t.CurlyString) {
      const inner = image.slice(1).replace(/['“”]$/, "");
      const quoted = `"${inner.replaceAll('"', '\\"')}"`;
      this.add(
        report(
          "LLMP0103",
          this.span(token),
          {},
          {
            hints: [`write \`${quoted}\``],
            fixes: [this.#replace(token, quoted, "Use double quotes")],
          },
        ),
      );
      return inner;
    }
    if (tokenType === t.OpenString) {
      const end = this.span(token).end;
      this.add(
        report(
          "LLMP0102",
          { file: this.file, start: token.startOffset, end: token.startOffset + 1 },
          {},
          {
            text: "opened here",
            hints: ["text ends on the line on which it begins; write `\\n` for a line end inside it"],
            fixes: [
              { title: 'Add `"`', safe: false, edits: [{ span: { file: this.file, start: end, end }, text: '"' }] },
            ],
          },
        ),
      );
      return image.slice(1);
    }
    const inner = image.slice(1, -1);
    if (!inner.includes("\\")) return inner;
    return inner.replace(/\\(u\{[0-9a-fA-F]{1,6}\}|u[0-9a-fA-F]{4}|.)/gu, (all, code: string, at: number) => {
      const known = escapes[code];
      if (known !== undefined) return known;
      if (code.length > 1 && code.startsWith("u")) {
        const point = Number.parseInt(code.replace(/[u{}]/g, ""), 16);
        if (point <= 0x10ffff) return String.fromCodePoint(point);
      }
      const start = token.startOffset + 1 + at;
      const span = { file: this.file, start, end: start + all.length };
      this.add(
        report(
          "LLMP0105",
          span,
          { text: all },
          {
            hints: [`a backslash itself is written \`\\\\\`, so \`\\${all}\` for a pattern`],
            fixes: [
              {
                title: "Double the backslash",
                safe: true,
                edits: [{ span: { ...span, end: start + 1 }, text: "\\\\" }],
              },
            ],
          },
        ),
      );
      return all;
    });
  }

  number(token: IToken): void {
    const { image } = token;
    const mended = image.startsWith(".") ? `0${image}` : image.replace(/_+(?=_)|_(?=\D|$)/g, "");
    this.add(
      report(
        "LLMP0107",
        this.span(token),
        { text: image },
        {
          hints: [`write \`${mended}\``],
          fixes: [this.#replace(token, mended, `Write \`${mended}\``)],
        },
      ),
    );
  }

  slashComment(token: IToken): void {
    const hash = `#${token.image.slice(2)}`;
    this.add(
      report(
        "LLMP0106",
        this.span(token),
        {},
        {
          hints: [`write \`${hash.trim().slice(0, 60)}\``],
          fixes: [this.#replace(token, hash, "Use `#`")],
        },
      ),
    );
  }

  conflict(token: IToken): void {
    this.add(
      report(
        "LLMP0006",
        this.span(token),
        {},
        { hints: ["keep one side, and remove the lines with `<<<<<<<`, `=======` and `>>>>>>>`"] },
      ),
    );
  }

  semicolon(token: IToken): void {
    this.add(
      report(
        "LLMP0108",
        this.span(token),
        {},
        {
          hints: ["leave the `;` out"],
          fixes: [this.#replace(token, "", "Remove `;`", false)],
        },
      ),
    );
  }

  unexpected(token: IToken): void {
    const hints =
      token.tokenType === t.Import || token.tokenType === t.Param || token.tokenType === t.Let
        ? [`\`${token.image}\` stands at the top of a file, outside any block`]
        : token.tokenType === t.Num
          ? ["a name begins with a letter"]
          : ["an entry is written `key = value`"];
    this.add(report("LLMP0205", this.span(token), { found: this.found(token) }, { hints }));
  }

  unseparated(token: IToken, end: number): void {
    this.add(
      report(
        "LLMP0305",
        this.span(token),
        { found: this.found(token) },
        {
          hints: ["entries stand on their own lines, or are separated by commas"],
          fixes: [
            { title: "Add a comma", safe: true, edits: [{ span: { file: this.file, start: end, end }, text: "," }] },
          ],
        },
      ),
    );
  }

  noEquals(key: IToken, name: string, expr: CstNode): void {
    void expr;
    const end = this.span(key).end;
    this.add(
      report(
        "LLMP0301",
        this.span(key),
        { key: name },
        {
          hints: [`write \`${name} = …\``],
          fixes: [
            { title: "Add `=`", safe: true, edits: [{ span: { file: this.file, start: end, end }, text: " =" }] },
          ],
        },
      ),
    );
  }

  noValue(key: IToken, assign: IToken | undefined): void {
    const name = key.image.replace(/^["']|["']$/g, "");
    if (assign === undefined) {
      this.add(report("LLMP0302", this.span(key), { key: name }, { hints: [`write \`${name} = …\``] }));
      return;
    }
    this.add(
      report(
        "LLMP0302",
        this.span(assign),
        { key: name },
        {
          hints: ["the value stands on the same line; write `auto` to let the planner decide, or remove the line"],
        },
      ),
    );
  }

  assign(sign: IToken, key: string, limits: boolean): void {
    const { image } = sign;
    if (limits && /^>=?$/.test(image)) {
      this.add(
        report(
          "LLMP0304",
          this.span(sign),
          { key, text: image },
          {
            hints: ["a budget says what may not be exceeded"],
            fixes: [this.#replace(sign, "<", "Write `<`", false)],
          },
        ),
      );
      return;
    }
    this.add(
      report(
        "LLMP0303",
        this.span(sign),
        { text: image },
        {
          hints: [`write \`${key} = …\``],
          fixes: [this.#replace(sign, image === ":" ? " =" : "=", "Write `=`")],
        },
      ),
    );
  }

  quotedKey(key: IToken): void {
    const bare = key.image.replace(/^["'“]|["'”]$/g, "");
    this.add(
      report(
        "LLMP0306",
        this.span(key),
        {},
        {
          hints: /^[A-Za-z_][\w.-]*$/.test(bare)
            ? [`write \`${bare}\``]
            : ["an entry begins with a key: `key = value`"],
          fixes: /^[A-Za-z_][\w.-]*$/.test(bare) ? [this.#replace(key, bare, "Remove the quotes")] : [],
        },
      ),
    );
  }

  noOperand(operator: IToken): void {
    this.add(
      report(
        "LLMP0307",
        this.span(operator),
        { operator: operator.image },
        {
          hints: ["a value that goes on over several lines stands in `( )`"],
        },
      ),
    );
  }

  threeDots(dots: IToken): void {
    this.add(
      report(
        "LLMP0308",
        this.span(dots),
        {},
        {
          hints: ["write `1..8`; both ends are included"],
          fixes: [this.#replace(dots, "..", "Write `..`")],
        },
      ),
    );
  }

  rangeTwice(dots: IToken): void {
    this.add(report("LLMP0311", this.span(dots), {}, { hints: ["write `1..8`, or list the values: `1 | 4 | 8`"] }));
  }

  paren(span: Span, count: number): void {
    this.add(
      report(
        "LLMP0309",
        span,
        {},
        { hints: [count === 0 ? "put a value between them" : "a list of values is written `[a, b]`"] },
      ),
    );
  }

  every(every: IToken): void {
    this.add(report("LLMP0310", this.span(every), {}, { hints: ["for example `every 30min` or `every 2 layers`"] }));
  }

  outside(keyword: IToken, key: string, span: Span): void {
    const what = keyword.image === key ? key : `${keyword.image} ${key}`;
    const hints =
      keyword.image === key
        ? [`put it into the block that it belongs to, or write \`let ${key} = …\` or \`param ${key}: int = …\``]
        : [`a block has a body: \`${what} { … }\``];
    this.add(report("LLMP0312", span, { key: what }, { hints }));
  }

  noBody(keyword: IToken, span: Span): void {
    this.add(
      report(
        "LLMP0313",
        span,
        { kind: keyword.image },
        { hints: ["a body stands in `{ }` and begins on the same line"] },
      ),
    );
  }

  strayWord(word: IToken): void {
    this.add(
      report(
        "LLMP0205",
        this.span(word),
        { found: this.found(word) },
        {
          hints: ["a file holds `import`, `param`, `let`, and blocks such as `model NAME { … }`"],
        },
      ),
    );
  }

  notName(token: IToken): void {
    const bare = token.image.replace(/^["'“]|["'”]$/g, "");
    const good = /^[A-Za-z_][\w.-]*$/.test(bare);
    this.add(
      report(
        "LLMP0314",
        this.span(token),
        { found: this.found(token) },
        {
          hints: [good ? `write \`${bare}\`` : "a name begins with a letter and has letters, digits, `_`, `.` and `-`"],
          fixes: good ? [this.#replace(token, bare, "Remove the quotes")] : [],
        },
      ),
    );
  }

  nameMissing(after: IToken, what: string): void {
    const hint = {
      ":": "after `:` comes what this one inherits from, or a type",
      from: "after `from` comes a train block",
    }[what];
    this.add(report("LLMP0315", this.span(after), { after: what }, { hints: [hint ?? `write \`${what} NAME = …\``] }));
  }

  importPath(keyword: IToken, name: IToken | undefined): void {
    const path = name === undefined ? "std/llama3" : name.image;
    this.add(
      report(
        "LLMP0316",
        this.span(name ?? keyword),
        {},
        {
          hints: [`write \`import "${name === undefined ? path : `std/${path}`}"\`, or a path relative to this file`],
          fixes: name === undefined ? [] : [this.#replace(name, `"std/${path}"`, `Import "std/${path}"`, false)],
        },
      ),
    );
  }

  form(at: IToken, kind: string, form: string): void {
    this.add(report("LLMP0317", this.span(at), { kind, form }, { hints: [`write \`${form}\``] }));
  }

  phase(from: IToken, what: string, form: string): void {
    this.add(report("LLMP0319", this.span(from), { what }, { hints: [`write \`${form}\``] }));
  }

  reserved(word: IToken, assign: IToken): void {
    void assign;
    this.add(
      report(
        "LLMP0319",
        this.span(word),
        { what: "a percentage instead of a sign" },
        {
          hints: ["`from` begins a phase of a mix: `from 90% { … }`; as a key it cannot be used"],
        },
      ),
    );
  }

  tooLong(span: Span, limit: number): void {
    this.add(report("LLMP0005", span, { limit }, { hints: ["name parts of it with `let`"] }));
  }
}
