/**
 * What a file says, and nothing of what it means: no defaults, no resolved names, no unit conversions.
 * Read first: this, then checker/pipeline.ts, model/graph.ts, planner/plan.ts.
 */
import type { Span } from "../text/index.js";

export interface Ast {
  readonly file: string;
  readonly items: readonly Item[];
  /** All comments in source order (`#` to the end of the line, without the line end). The formatter re-attaches them. */
  readonly comments: readonly Comment[];
  readonly span: Span;
}

export interface Comment {
  readonly text: string;
  readonly span: Span;
  /** True where nothing but white space stands before it on its line. */
  readonly ownLine: boolean;
}

export interface Ident {
  readonly text: string;
  readonly span: Span;
}

export type Item = ImportItem | ParamItem | LetItem | BlockItem;

/** `import "std/llama3"` */
export interface ImportItem {
  readonly kind: "import";
  readonly path: StringExpr;
  readonly span: Span;
}

/** `param gpus: int = 64` */
export interface ParamItem {
  readonly kind: "param";
  readonly name: Ident;
  readonly type?: Ident;
  readonly value?: Expr;
  readonly span: Span;
}

/** `let nodes = gpus / 8` */
export interface LetItem {
  readonly kind: "let";
  readonly name: Ident;
  readonly value: Expr;
  readonly span: Span;
}

/** `model student: llama3_8b { … }`, `train b from a { … }`, `budget { … }` */
export interface BlockItem {
  readonly kind: "block";
  readonly keyword: Ident;
  readonly name?: Ident;
  /** After `:`: the block that this one inherits from. */
  readonly parent?: Ident;
  /** After `from`: the stage whose weights a `train` block starts with. */
  readonly from?: Ident;
  readonly body: Body;
  readonly span: Span;
}

/** Between `{` and `}`; the span includes the braces. */
export interface Body {
  readonly entries: readonly Entry[];
  readonly span: Span;
}

export type Entry = PairEntry | PhaseEntry;

/** `key = value`, or `key < value` in `budget`. */
export interface PairEntry {
  readonly kind: "pair";
  readonly key: Ident;
  readonly operator: "=" | "<" | "<=";
  readonly value: Expr;
  readonly span: Span;
}

/** `from 90% { web = 40%, … }` inside a mix. */
export interface PhaseEntry {
  readonly kind: "phase";
  readonly at: Expr;
  readonly body: Body;
  readonly span: Span;
}

export type Expr =
  | NumberExpr
  | StringExpr
  | BoolExpr
  | NameExpr
  | ListExpr
  | RecordExpr
  | VariantExpr
  | ChoiceExpr
  | RangeExpr
  | EveryExpr
  | BinaryExpr
  | UnaryExpr
  | ParenExpr
  | MissingExpr;

/** `8Ki`, `4M tokens`, `80GiB`, `30min`, `7 days`, `$50_000`, `70%`, `3e-4`. `value` includes no scale or unit. */
export interface NumberExpr {
  readonly kind: "number";
  readonly value: number;
  /** The digits as written, underscores included. */
  readonly text: string;
  /** Directly attached suffix: `Ki`, `M`, `GiB`, `min`, `%`. */
  readonly suffix?: Ident;
  /** A word after a space on the same line: `tokens`, `days`, `steps`, `layers`. */
  readonly unit?: Ident;
  readonly currency?: "$";
  readonly span: Span;
}

export interface StringExpr {
  readonly kind: "string";
  /** Unescaped. */
  readonly value: string;
  readonly span: Span;
}

export interface BoolExpr {
  readonly kind: "bool";
  readonly value: boolean;
  readonly span: Span;
}

/** `llama3_8b`, `auto`, `ml.p5.48xlarge`, `student.layers`. */
export interface NameExpr {
  readonly kind: "name";
  /** The whole dotted name as written. */
  readonly text: string;
  readonly parts: readonly Ident[];
  readonly span: Span;
}

export interface ListExpr {
  readonly kind: "list";
  readonly items: readonly Expr[];
  readonly span: Span;
}

/** `{ tensor = 8 }` */
export interface RecordExpr {
  readonly kind: "record";
  readonly body: Body;
  readonly span: Span;
}

/** `adamw { lr = 3e-4 }` */
export interface VariantExpr {
  readonly kind: "variant";
  readonly name: Ident;
  readonly body: Body;
  readonly span: Span;
}

/** `a | b | c` */
export interface ChoiceExpr {
  readonly kind: "choice";
  readonly options: readonly Expr[];
  readonly span: Span;
}

/** `1..32`, both ends included. */
export interface RangeExpr {
  readonly kind: "range";
  readonly min: Expr;
  readonly max: Expr;
  readonly span: Span;
}

/** `every 30min`, `every 2 layers` */
export interface EveryExpr {
  readonly kind: "every";
  readonly interval: Expr;
  readonly span: Span;
}

export interface BinaryExpr {
  readonly kind: "binary";
  readonly operator: "+" | "-" | "*" | "/";
  readonly left: Expr;
  readonly right: Expr;
  readonly span: Span;
}

export interface UnaryExpr {
  readonly kind: "unary";
  readonly operator: "-";
  readonly operand: Expr;
  readonly span: Span;
}

export interface ParenExpr {
  readonly kind: "paren";
  readonly inner: Expr;
  readonly span: Span;
}

/** Where recovery found nothing to put. A diagnostic has been given; later stages stay silent about it. */
export interface MissingExpr {
  readonly kind: "missing";
  readonly span: Span;
}
