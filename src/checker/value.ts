import type { Body, Expr, Ident } from "../parser/ast.js";
import type { Span } from "../text/index.js";
import type { Quantity } from "./quantity-type.js";

/** An expression after arithmetic and names; what its parts mean depends on the key that it is for. */
export type Value =
  | Quantity
  | { readonly kind: "string"; readonly value: string; readonly span: Span }
  | { readonly kind: "bool"; readonly value: boolean; readonly span: Span }
  | { readonly kind: "symbol"; readonly text: string; readonly span: Span }
  | { readonly kind: "list"; readonly items: readonly Expr[]; readonly span: Span }
  | { readonly kind: "record"; readonly body: Body; readonly span: Span }
  | { readonly kind: "variant"; readonly name: Ident; readonly body: Body; readonly span: Span }
  | { readonly kind: "every"; readonly interval: Expr; readonly span: Span }
  | { readonly kind: "choice"; readonly options: readonly Expr[]; readonly span: Span }
  | { readonly kind: "range"; readonly min: Expr; readonly max: Expr; readonly span: Span };
