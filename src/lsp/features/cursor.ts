/** Where a cursor stands, from the words before it: what may be written there. Works on half-written text. */
import type { Body, Entry } from "../../parser/ast.js";
import { theLexer } from "../../parser/index.js";
import { type BlockSpec, blockByKeyword, fieldByName } from "../../schema/index.js";
import type { FieldSpec, FieldType } from "../../units/index.js";
import type { Chunk, Document } from "../document.js";
import { alternatives } from "../sites.js";

export type Cursor = {
  /** Where the word under the cursor starts: what a completion replaces. */
  readonly from: number;
} & (
  | { readonly kind: "item" }
  | { readonly kind: "import"; readonly written: string }
  | { readonly kind: "type" }
  | { readonly kind: "parent" | "stage"; readonly of: string }
  | { readonly kind: "head"; readonly block: BlockSpec }
  /** A key of a body; `taken` are there already. */
  | {
      readonly kind: "key";
      readonly fields: readonly FieldSpec[];
      readonly block?: BlockSpec;
      readonly taken: ReadonlySet<string>;
    }
  | {
      readonly kind: "value";
      readonly field?: FieldSpec;
      readonly types: readonly FieldType[];
      readonly first: boolean;
    }
  /** Behind a number. */
  | {
      readonly kind: "unit";
      readonly field?: FieldSpec;
      readonly types: readonly FieldType[];
      readonly attached: boolean;
      readonly digits: string;
    }
  | { readonly kind: "nothing" }
);

interface Frame {
  readonly bracket: string;
  readonly fields: readonly FieldSpec[];
  readonly block?: BlockSpec;
  readonly taken: Set<string>;
  /** Of a list: what its items are. */
  readonly item?: { readonly field: FieldSpec; readonly type: FieldType };
}

export function cursorAt(document: Document, offset: number): Cursor {
  const { chunk, start } = document.at(offset);
  const before = chunk.text.slice(0, offset - start);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  // In a comment or a text there is nothing to complete but the path of an import.
  const quote = openQuote(line);
  if (quote === "#") return { kind: "nothing", from: offset };
  if (quote !== undefined) {
    const written = line.slice(quote + 1);
    return /^\s*import\s*$/.test(line.slice(0, quote))
      ? { kind: "import", written, from: offset - written.length }
      : { kind: "nothing", from: offset };
  }
  const word = /[A-Za-z_][\w.-]*$/.exec(before)?.[0] ?? "";
  const attached = /(?:^|[^\w.])(\$?\d[\d_.]*(?:[eE][+-]?\d+)?)([A-Za-z%]\w*)?$/.exec(line);
  const from = offset - (attached !== null ? (attached[2]?.length ?? 0) : word.length);
  const known = before.slice(0, before.length - (offset - from));
  const cursor = read(known, from, attached?.[1]);
  if (cursor.kind !== "key") return cursor;
  return { ...cursor, taken: new Set([...cursor.taken, ...keysAfter(chunk, from - start)]) };
}

/** Keys behind the cursor in the same body. */
function keysAfter(chunk: Chunk, offset: number): readonly string[] {
  let found: readonly Entry[] = [];
  const visit = (body: Body): void => {
    if (offset <= body.span.start || offset >= body.span.end) return;
    found = body.entries;
    for (const entry of body.entries) {
      if (entry.kind === "phase") visit(entry.body);
      else if (entry.value.kind === "record" || entry.value.kind === "variant") visit(entry.value.body);
    }
  };
  for (const item of chunk.items) if (item.kind === "block") visit(item.body);
  return found.flatMap((e) => (e.kind === "pair" && e.key.span.start > offset ? [e.key.text] : []));
}

/** The column of the quote that is open at the end of the line, or that a comment has begun. */
function openQuote(line: string): number | "#" | undefined {
  let open: number | undefined;
  for (let i = 0; i < line.length; i++) {
    if (open !== undefined) {
      if (line[i] === "\\") i++;
      else if (line[i] === '"') open = undefined;
    } else if (line[i] === '"') open = i;
    else if (line[i] === "#") return "#";
  }
  return open;
}

function read(text: string, from: number, digits: string | undefined): Cursor {
  const tokens = theLexer().tokenize(text).tokens;
  const frames: Frame[] = [];
  let head: string[] = [];
  let key: string | undefined;
  let assigned = false;
  /** Words of the value that is being written. */
  let words: { readonly type: string; readonly image: string }[] = [];
  const top = (): Frame | undefined => frames.at(-1);
  const fieldOf = (frame: Frame | undefined): FieldSpec | undefined =>
    frame === undefined || key === undefined ? undefined : (fieldByName(frame.fields, key) ?? frame.block?.open?.value);
  const fresh = (): void => {
    key = undefined;
    assigned = false;
    words = [];
  };
  for (const { tokenType, image } of tokens) {
    const type = tokenType.name;
    const frame = top();
    if (type === "LCurly") {
      frames.push(
        frame === undefined ? blockFrame(head) : bodyFrame(frame, assigned ? fieldOf(frame) : undefined, words),
      );
      fresh();
    } else if (type === "LSquare") {
      const field = fieldOf(frame);
      const list = field === undefined ? undefined : alternatives(field.type).find((t) => t.kind === "list");
      frames.push({
        bracket: "[",
        fields: [],
        taken: new Set(),
        ...(list?.kind === "list" && field !== undefined ? { item: { field, type: list.of } } : {}),
      });
      words = [];
    } else if (type === "RCurly" || type === "RSquare") {
      frames.pop();
      if (type === "RCurly" && frames.length === 0) head = [];
      words = [{ type: "done", image }];
    } else if (type === "Newline" || type === "Comma") {
      if (frame === undefined) head = [];
      if (frame?.bracket !== "[") fresh();
      else words = [];
    } else if (frame === undefined) head.push(image);
    else if (frame.bracket === "[") words.push({ type, image });
    else if (!assigned && /^(?:Equals|Less|AtMost)$/.test(type)) {
      assigned = true;
      words = [];
      if (key !== undefined) frame.taken.add(key);
    } else if (!assigned) {
      key ??= image;
      words.push({ type, image });
    } else words.push({ type, image });
  }
  const frame = top();
  const last = words.at(-1);
  if (frame === undefined) return headCursor(head, from, digits);
  if (frame.bracket === "[") {
    if (last !== undefined && !operators.test(last.type)) return { kind: "nothing", from };
    const { item } = frame;
    return item === undefined
      ? { kind: "value", types: [], first: true, from }
      : {
          kind: "value",
          types: alternatives(item.type),
          field: { ...item.field, type: item.type, decidable: false },
          first: true,
          from,
        };
  }
  if (!assigned) {
    // `from 90% { … }` of a mix, or a key.
    if (key === undefined)
      return {
        kind: "key",
        fields: frame.fields,
        taken: frame.taken,
        from,
        ...(frame.block === undefined ? {} : { block: frame.block }),
      };
    return { kind: "nothing", from };
  }
  const field = fieldOf(frame);
  const types = field === undefined ? [] : alternatives(field.type);
  const withField = field === undefined ? {} : { field };
  if (digits !== undefined) return { kind: "unit", types, attached: true, digits, from, ...withField };
  if (last === undefined || operators.test(last.type))
    return { kind: "value", types, first: last === undefined, from, ...withField };
  if (last.type === "Number") return { kind: "unit", types, attached: false, digits: last.image, from, ...withField };
  if (last.type === "Every") return { kind: "value", types: [], first: false, from };
  return { kind: "nothing", from };
}

const operators = /^(?:Pipe|DotDot|Plus|Minus|Star|Slash)$/;

function blockFrame(head: readonly string[]): Frame {
  const block = blockByKeyword(head[0] ?? "");
  return { bracket: "{", fields: block?.fields ?? [], taken: new Set(), ...(block === undefined ? {} : { block }) };
}

function bodyFrame(frame: Frame, field: FieldSpec | undefined, words: readonly { readonly image: string }[]): Frame {
  // A phase of a mix holds what the mix holds.
  if (frame.block?.phases === true && field === undefined && words[0]?.image === "from")
    return { bracket: "{", fields: [], taken: new Set(), block: frame.block };
  const types = field === undefined ? [] : alternatives(field.type);
  const name = words.at(-1)?.image;
  const variant = types.flatMap((t) => (t.kind === "variant" ? t.variants : [])).find((v) => v.name === name);
  const record = types.find((t) => t.kind === "record");
  const fields = variant?.fields ?? (record?.kind === "record" ? record.fields : []);
  return { bracket: "{", fields, taken: new Set() };
}

function headCursor(head: readonly string[], from: number, digits: string | undefined): Cursor {
  if (digits !== undefined) return { kind: "nothing", from };
  const [keyword, , third] = head;
  if (keyword === undefined) return { kind: "item", from };
  if (keyword === "param") {
    if (head.length === 3 && third === ":") return { kind: "type", from };
    if (head.at(-1) === "=") return { kind: "value", types: [], first: true, from };
    return { kind: "nothing", from };
  }
  if (keyword === "let")
    return head.at(-1) === "=" || /^[-+*/]$/.test(head.at(-1) ?? "")
      ? { kind: "value", types: [], first: true, from }
      : { kind: "nothing", from };
  const block = blockByKeyword(keyword);
  if (block === undefined) return { kind: "nothing", from };
  if (head.length === 3 && third === ":" && block.inherits === true) return { kind: "parent", of: keyword, from };
  if (head.length === 3 && third === "from" && block.startsFrom === true) return { kind: "stage", of: keyword, from };
  if (head.length === 2) return { kind: "head", block, from };
  return { kind: "nothing", from };
}
