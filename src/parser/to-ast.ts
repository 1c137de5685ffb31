/** Concrete tree → Ast, and every mistake of form on the way. Never throws: what is missing becomes `missing`. */
import type { CstElement, CstNode, IToken } from "chevrotain";
import type { Diagnostic } from "../diagnostics/index.js";
import type { Span } from "../text/index.js";
import type { Body, Entry, Expr, Ident, Item, NameExpr, NumberExpr, StringExpr } from "./ast.js";
import { Messages } from "./messages.js";
import { operators } from "./operators.js";
import * as t from "./tokens.js";

type Children = Record<string, CstElement[] | undefined>;

export class Builder {
  readonly messages: Messages;
  /** End of the last token that was read into the tree. */
  #end = 0;

  constructor(
    readonly file: string,
    add: (diagnostic: Diagnostic) => void,
  ) {
    this.messages = new Messages(file, add);
  }

  items(root: CstNode): Item[] {
    const items: Item[] = [];
    let separated = true;
    for (const element of inOrder(root.children as Children)) {
      if (isToken(element)) {
        separated = true;
        this.#separator(element);
        continue;
      }
      const first = firstToken(element);
      if (first === undefined) continue;
      if (!separated && element.name !== "stray") this.messages.unseparated(first, this.#end);
      separated = false;
      this.#end = endOf(first);
      const item = this.#item(element, first);
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  #item(node: CstNode, first: IToken): Item | undefined {
    const c = node.children as Children;
    const start = first.startOffset;
    switch (node.name) {
      case "importItem": {
        const text = token(c.Text);
        if (text === undefined) {
          const name = token(c.Name);
          if (name !== undefined) this.#end = endOf(name);
          this.messages.importPath(first, name);
          return undefined;
        }
        return { kind: "import", path: this.#string(text), span: this.#span(start) };
      }
      case "paramItem":
      case "letItem": {
        const name = token(c.Name);
        if (name === undefined) {
          this.messages.nameMissing(first, first.image);
          this.#skip(node);
          return undefined;
        }
        this.#end = endOf(name);
        const type = token(c.type);
        if (type !== undefined) this.#end = endOf(type);
        const assign = token(c.Assign);
        if (assign !== undefined) {
          this.#end = endOf(assign);
          if (assign.tokenType !== t.Equals) this.messages.assign(assign, name.image, false);
        } else if (node.name === "letItem") {
          const colon = token(c.Colon);
          if (colon !== undefined) this.messages.assign(colon, name.image, false);
          else this.messages.form(name, "let", `let ${name.image} = …`);
        } else if (token(c.Colon) !== undefined && type === undefined) {
          this.messages.nameMissing(token(c.Colon) as IToken, ":");
        }
        const expr = child(c.expr);
        const signed = assign ?? (node.name === "letItem" ? token(c.Colon) : undefined);
        const value =
          expr === undefined ? (signed === undefined ? undefined : this.#noValue(name, signed)) : this.#expr(expr);
        if (node.name === "letItem")
          return { kind: "let", name: this.#ident(name), value: value ?? this.#missing(), span: this.#span(start) };
        return {
          kind: "param",
          name: this.#ident(name),
          ...(type === undefined ? {} : { type: this.#ident(type) }),
          ...(value === undefined ? {} : { value }),
          span: this.#span(start),
        };
      }
      case "block":
        return this.#block(c, first);
      default:
        {
          this.messages.unexpected(first);
          this.#skip(node);
        }
        return undefined;
    }
  }

  #block(c: Children, keyword: IToken): Item | undefined {
    const name = token(c.Name) ?? token(c.Text) ?? token(c.Number);
    if (name !== undefined) this.#end = endOf(name);
    const assign = token(c.Assign);
    const body = child(c.body);
    if (assign !== undefined) {
      this.#end = endOf(assign);
      const expr = child(c.expr);
      if (expr !== undefined) this.#expr(expr);
      this.messages.outside(keyword, (name ?? keyword).image, this.#span(keyword.startOffset));
      return undefined;
    }
    const colon = token(c.Colon);
    const parent = token(c.parent);
    if (colon !== undefined) {
      this.#end = endOf(parent ?? colon);
      if (parent === undefined) this.messages.nameMissing(colon, ":");
    }
    const from = token(c.From);
    const stage = token(c.stage);
    if (from !== undefined) {
      this.#end = endOf(stage ?? from);
      if (stage === undefined) this.messages.nameMissing(from, "from");
    }
    if (name !== undefined && name.tokenType !== t.Name) this.messages.notName(name);
    const plain = this.#span(keyword.startOffset);
    let entries: Body;
    if (body === undefined) {
      if (name === undefined && colon === undefined && from === undefined) this.messages.strayWord(keyword);
      else this.messages.noBody(keyword, plain);
      entries = { entries: [], span: { file: this.file, start: this.#end, end: this.#end } };
    } else entries = this.#body(body);
    return {
      kind: "block",
      keyword: this.#ident(keyword),
      ...(name === undefined ? {} : { name: this.#named(name) }),
      ...(parent === undefined ? {} : { parent: this.#ident(parent) }),
      ...(stage === undefined ? {} : { from: this.#ident(stage) }),
      body: entries,
      span: this.#span(keyword.startOffset),
    };
  }

  #body(node: CstNode): Body {
    const c = node.children as Children;
    const entries: Entry[] = [];
    const start = this.#enclosed(c, token(c.LCurly), token(c.RCurly), (element, first) => {
      this.#end = endOf(first);
      if (element.name === "pair") entries.push(this.#pair(element, first));
      else if (element.name === "phase") entries.push(this.#phase(element, first));
    });
    return { entries, span: this.#span(start) };
  }

  /**
   * What stands between two brackets, each with its first token; strays are reported and skipped, and so is a missing
   * separator. Gives the offset of the opening bracket.
   */
  #enclosed(
    c: Children,
    open: IToken | undefined,
    close: IToken | undefined,
    visit: (element: CstNode, first: IToken) => void,
  ): number {
    const start = open?.startOffset ?? this.#end;
    if (open !== undefined) this.#end = endOf(open);
    let separated = true;
    for (const element of inOrder(c)) {
      if (isToken(element)) {
        if (element === open || element === close) continue;
        separated = true;
        this.#separator(element);
        continue;
      }
      const first = firstToken(element);
      if (first === undefined) continue;
      if (!separated && element.name !== "stray") this.messages.unseparated(first, this.#end);
      separated = false;
      if (element.name === "stray") {
        this.messages.unexpected(first);
        this.#skip(element);
      } else visit(element, first);
    }
    if (close !== undefined) this.#end = Math.max(this.#end, endOf(close));
    return start;
  }

  #pair(node: CstNode, key: IToken): Entry {
    const c = node.children as Children;
    if (key.tokenType !== t.Name) this.messages.quotedKey(key);
    const name = this.#named(key);
    const assign = token(c.Assign) ?? token(c.Colon);
    const expr = child(c.expr);
    let operator: "=" | "<" | "<=" = "=";
    if (assign !== undefined) {
      this.#end = endOf(assign);
      if (assign.tokenType === t.Less) operator = "<";
      else if (assign.tokenType === t.AtMost) operator = "<=";
      else if (assign.tokenType !== t.Equals) this.messages.assign(assign, name.text, true);
    } else if (expr !== undefined) this.messages.noEquals(key, name.text, expr);
    const value = expr === undefined ? this.#noValue(key, assign) : this.#expr(expr);
    return { kind: "pair", key: name, operator, value, span: this.#span(key.startOffset) };
  }

  #phase(node: CstNode, from: IToken): Entry {
    const c = node.children as Children;
    const assign = token(c.Assign) ?? token(c.Colon);
    const expr = child(c.expr);
    const body = child(c.body);
    if (assign !== undefined) {
      this.#end = endOf(assign);
      this.messages.reserved(from, assign);
    }
    const at = expr === undefined ? this.#missing() : this.#expr(expr);
    if (assign === undefined) {
      if (expr === undefined) this.messages.phase(from, "the share of training at which it begins", "from 90% { … }");
      else if (body === undefined && at.kind !== "variant")
        this.messages.phase(from, "a body", "from 90% { web = 40%, … }");
    }
    const inner = body === undefined ? { entries: [], span: this.#here() } : this.#body(body);
    return { kind: "phase", at, body: inner, span: this.#span(from.startOffset) };
  }

  #noValue(key: IToken, assign: IToken | undefined): Expr {
    if (assign !== undefined) this.#end = endOf(assign);
    this.messages.noValue(key, assign);
    return this.#missing();
  }

  #expr(node: CstNode): Expr {
    const c = node.children as Children;
    const signs = (c.Operator ?? []) as IToken[];
    const nodes = (c.operand ?? []) as CstNode[];
    if (signs.length === 0) return nodes[0] === undefined ? this.#missing() : this.#operand(nodes[0]);
    const operands: Expr[] = [];
    let n = 0;
    for (let i = 0; i <= signs.length; i++) {
      const before = signs[i - 1];
      if (before !== undefined) {
        this.#end = endOf(before);
        if (before.image === "...") this.messages.threeDots(before);
      }
      const next = nodes[n];
      const first = next === undefined ? undefined : firstToken(next);
      const limit = signs[i]?.startOffset ?? Number.POSITIVE_INFINITY;
      if (next !== undefined && first !== undefined && first.startOffset < limit) {
        operands.push(this.#operand(next));
        n++;
      } else {
        if (before !== undefined) this.messages.noOperand(before);
        operands.push(this.#missing());
      }
    }
    return operators(this.file, operands, signs, this.messages);
  }

  #operand(node: CstNode): Expr {
    const c = node.children as Children;
    const minus = token(c.Minus);
    const every = token(c.Every);
    const start = minus ?? every;
    if (start !== undefined) this.#end = endOf(every ?? start);
    let value = this.#atom(c);
    if (every !== undefined) {
      if (value.kind === "missing") this.messages.every(every);
      value = { kind: "every", interval: value, span: this.#span(every.startOffset) };
    } else if (minus !== undefined && value.kind === "missing") this.messages.noOperand(minus);
    if (minus === undefined) return value;
    return { kind: "unary", operator: "-", operand: value, span: this.#span(minus.startOffset) };
  }

  #atom(c: Children): Expr {
    const number = token(c.Number) ?? token(c.BadNumber);
    if (number !== undefined) return this.#number(number, token(c.unit));
    const text = token(c.Text);
    if (text !== undefined) return this.#string(text);
    const bool = token(c.True) ?? token(c.False);
    if (bool !== undefined) {
      this.#end = endOf(bool);
      return { kind: "bool", value: bool.tokenType === t.True, span: this.#span(bool.startOffset) };
    }
    const name = token(c.Name);
    if (name !== undefined) {
      this.#end = endOf(name);
      const body = child(c.body);
      if (body === undefined) return this.#name(name);
      return { kind: "variant", name: this.#ident(name), body: this.#body(body), span: this.#span(name.startOffset) };
    }
    const record = child(c.record);
    if (record !== undefined) {
      const body = this.#body(record);
      return { kind: "record", body, span: body.span };
    }
    const list = child(c.list);
    if (list !== undefined) {
      const lc = list.children as Children;
      const { start, items } = this.#bracketed(lc, token(lc.LSquare), token(lc.RSquare));
      return { kind: "list", items, span: this.#span(start) };
    }
    const paren = child(c.paren);
    if (paren !== undefined) {
      const pc = paren.children as Children;
      const open = token(pc.LRound);
      const { start, items } = this.#bracketed(pc, open, token(pc.RRound));
      if (items.length !== 1) this.messages.paren(this.#span(start), items.length);
      return { kind: "paren", inner: items[0] ?? this.#missing(), span: this.#span(start) };
    }
    return this.#missing();
  }

  #bracketed(c: Children, open: IToken | undefined, close: IToken | undefined): { start: number; items: Expr[] } {
    const items: Expr[] = [];
    const start = this.#enclosed(c, open, close, (element) => items.push(this.#expr(element)));
    return { start, items };
  }

  #number(token: IToken, unit: IToken | undefined): NumberExpr {
    this.#end = endOf(unit ?? token);
    const at = token.startOffset;
    const match = /^(\$?)((?:\d[\d_]*)?(?:\.\d[\d_]*)?(?:[eE][+-]?\d+(?![A-Za-z0-9_]))?)(.*)$/.exec(token.image);
    const digits = match?.[2] ?? "";
    const suffix = match?.[3] ?? "";
    const begin = at + (match?.[1]?.length ?? 0);
    if (token.tokenType === t.BadNumber || /__|_(?!\d)/.test(digits)) this.messages.number(token);
    return {
      kind: "number",
      value: Number(digits.replaceAll("_", "")),
      text: digits,
      ...(suffix === ""
        ? {}
        : { suffix: { text: suffix, span: { file: this.file, start: begin + digits.length, end: endOf(token) } } }),
      ...(unit === undefined ? {} : { unit: this.#ident(unit) }),
      ...(match?.[1] === "$" ? { currency: "$" as const } : {}),
      span: this.#span(at),
    };
  }

  #string(token: IToken): StringExpr {
    this.#end = endOf(token);
    return { kind: "string", value: this.messages.text(token), span: this.#span(token.startOffset) };
  }

  #name(name: IToken): NameExpr {
    const parts: Ident[] = [];
    let at = name.startOffset;
    for (const text of name.image.split(".")) {
      parts.push({ text, span: { file: this.file, start: at, end: at + text.length } });
      at += text.length + 1;
    }
    return { kind: "name", text: name.image, parts, span: this.messages.span(name) };
  }

  #separator(token: IToken): void {
    if (token.tokenType === t.Semicolon) this.messages.semicolon(token);
  }

  #ident(name: IToken): Ident {
    return { text: name.image, span: this.messages.span(name) };
  }

  #named(name: IToken): Ident {
    const text =
      name.tokenType === t.Name || name.tokenType === t.Num ? name.image : name.image.replace(/^["'“]|["'”]$/g, "");
    return { text, span: this.messages.span(name) };
  }

  /** Leaves a stray part out, and says where it ends. */
  #skip(node: CstNode): number {
    for (const part of Object.values(node.children as Children).flat()) {
      if (part === undefined) continue;
      if (isToken(part)) this.#end = Math.max(this.#end, endOf(part));
      else this.#skip(part);
    }
    return this.#end;
  }

  #missing(): Expr {
    return { kind: "missing", span: this.#here() };
  }

  #here(): Span {
    return { file: this.file, start: this.#end, end: this.#end };
  }

  #span(start: number): Span {
    return { file: this.file, start, end: Math.max(start, this.#end) };
  }
}

const isToken = (element: CstElement): element is IToken => "image" in element;
const token = (elements: CstElement[] | undefined): IToken | undefined => elements?.[0] as IToken | undefined;
const child = (elements: CstElement[] | undefined): CstNode | undefined => elements?.[0] as CstNode | undefined;
const endOf = (token: IToken): number => token.startOffset + token.image.length;

/** Children are grouped by kind, kinds in the order in which they came: the first of the first is the leftmost. */
function firstToken(element: CstElement): IToken | undefined {
  let at = element;
  while (!isToken(at)) {
    let head: CstElement | undefined;
    for (const name in at.children) {
      head = at.children[name]?.[0];
      break;
    }
    if (head === undefined) return undefined;
    at = head;
  }
  return at;
}

/** Chevrotain groups children by kind; this puts them back as they stand in the file. */
function inOrder(children: Children): CstElement[] {
  const lists = Object.values(children).filter((l): l is CstElement[] => l !== undefined && l.length > 0);
  if (lists.length === 1) return lists[0] ?? [];
  const keyed: { at: number; element: CstElement }[] = [];
  for (const list of lists)
    for (const element of list) keyed.push({ at: firstToken(element)?.startOffset ?? -1, element });
  keyed.sort((a, b) => a.at - b.at);
  return keyed.map((k) => k.element);
}
