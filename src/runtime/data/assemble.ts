/** Planned rows → the arrays that the trainer takes. */
import type { Batch } from "../interfaces.js";
import type { RowPlan } from "./rowplan.js";
import type { DocumentView } from "./view.js";

export interface Shape {
  readonly length: number;
  readonly pad: number;
  /** Documents of a row do not see each other. */
  readonly segments: boolean;
}

interface Arrays {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float32Array;
  readonly segments: Int32Array;
  readonly positions: Int32Array;
}

function arrays(rows: number, { length, pad }: Shape): Arrays {
  return {
    tokens: new Int32Array(rows * length).fill(pad),
    targets: new Int32Array(rows * length),
    weights: new Float32Array(rows * length),
    segments: new Int32Array(rows * length),
    positions: new Int32Array(rows * length),
  };
}

function batchOf(out: Arrays, rows: number, shape: Shape, datasets: Int32Array): Batch {
  const { tokens, targets, weights } = out;
  // Rows of one document each need neither: attention without a segment mask is cheaper.
  const several = shape.segments && out.segments.some((segment) => segment !== 0);
  const extra = several ? { segments: out.segments, positions: out.positions } : {};
  return { sequences: rows, length: shape.length, tokens, targets, weights, datasets, ...extra };
}

/**
 * Windows over running text: `length` + 1 tokens a row, each the target of the one before. With segments, a token that
 * starts a document is nobody's target.
 */
export function windowBatch(plans: readonly RowPlan[], views: readonly DocumentView[], shape: Shape): Batch {
  const { length } = shape;
  const out = arrays(plans.length, shape);
  const row = new Int32Array(length + 1);
  const segment = new Int32Array(length + 1);
  plans.forEach((plan, r) => {
    let at = 0;
    let number = -1;
    for (const piece of plan.pieces) {
      if (piece.newDocument) number++;
      const size = piece.end - piece.start;
      (views[piece.dataset] as DocumentView).store.read(piece.start, piece.end, row, at);
      segment.fill(number, at, at + size);
      at += size;
    }
    let position = 0;
    for (let i = 0; i < length; i++) {
      const o = r * length + i;
      if (i >= at - 1) {
        // A held-out text shorter than the window: padding is a segment of its own.
        if (i === at - 1) out.tokens[o] = row[i] as number;
        out.segments[o] = i === at - 1 ? (segment[i] as number) : number + 1;
        continue;
      }
      if (i > 0 && segment[i] !== segment[i - 1]) position = 0;
      out.tokens[o] = row[i] as number;
      out.targets[o] = row[i + 1] as number;
      out.weights[o] = shape.segments && segment[i] !== segment[i + 1] ? 0 : 1;
      out.segments[o] = segment[i] as number;
      out.positions[o] = position++;
    }
  });
  return batchOf(
    out,
    plans.length,
    shape,
    Int32Array.from(plans, (p) => p.dataset),
  );
}

/** Whole documents with loss masks, one or more a row; what is left of a row is padding without weight. */
export function documentBatch(plans: readonly RowPlan[], views: readonly DocumentView[], shape: Shape): Batch {
  const out = arrays(plans.length, shape);
  plans.forEach((plan, r) => {
    let at = r * shape.length;
    plan.pieces.forEach((piece, number) => {
      at += placeDocument(out, at, views[piece.dataset] as DocumentView, piece.start, piece.end, number);
    });
    // Padding comes last, so causal attention never shows it to a token; it needs its own segment only beside others.
    if (plan.pieces.length > 1) out.segments.fill(plan.pieces.length, at, (r + 1) * shape.length);
  });
  return batchOf(
    out,
    plans.length,
    shape,
    Int32Array.from(plans, (p) => p.dataset),
  );
}

/** Puts a document's inputs, targets and weights at `at`; gives the number of positions. */
function placeDocument(
  out: Arrays,
  at: number,
  view: DocumentView,
  start: number,
  end: number,
  segment: number,
): number {
  const size = end - start - 1;
  const ids = new Int32Array(end - start);
  view.store.read(start, end, ids, 0);
  if (size < 1) {
    out.tokens[at] = ids[0] ?? 0;
    out.segments[at] = segment;
    return 1;
  }
  const mask = view.store.mask(start, end);
  for (let i = 0; i < size; i++) {
    out.tokens[at + i] = ids[i] as number;
    out.targets[at + i] = ids[i + 1] as number;
    out.weights[at + i] = mask === undefined ? 1 : (mask[i + 1] as number);
    out.segments[at + i] = segment;
    out.positions[at + i] = i;
  }
  return size;
}

/** Rows 2i are chosen, 2i + 1 rejected, cut at the row's length. */
export function preferenceBatch(plans: readonly RowPlan[], views: readonly DocumentView[], shape: Shape): Batch {
  const rows = plans.length * 2;
  const out = arrays(rows, shape);
  plans.forEach((plan, r) => {
    const piece = plan.pieces[0] as RowPlan["pieces"][number];
    const view = views[piece.dataset] as DocumentView;
    for (const side of [0, 1]) {
      const start = view.starts[piece.document + side] as number;
      const end = Math.min(view.ends[piece.document + side] as number, start + shape.length + 1);
      const at = (2 * r + side) * shape.length;
      const size = placeDocument(out, at, view, start, end, 0);
      out.segments.fill(1, at + size, at + shape.length);
    }
  });
  const datasets = Int32Array.from({ length: rows }, (_, i) => (plans[i >> 1] as RowPlan).dataset);
  return batchOf(out, rows, { ...shape, segments: false }, datasets);
}

/** Prompts at the start of their rows, with their answers; a prompt longer than a row keeps its end. */
export function promptBatch(plans: readonly RowPlan[], views: readonly DocumentView[], shape: Shape): Batch {
  const out = arrays(plans.length, shape);
  const promptLengths = new Int32Array(plans.length);
  const answers = plans.map((plan, r) => {
    const piece = plan.pieces[0] as RowPlan["pieces"][number];
    const view = views[piece.dataset] as DocumentView;
    const end = view.ends[piece.document] as number;
    const start = Math.max(view.starts[piece.document] as number, end - shape.length);
    view.store.read(start, end, out.tokens, r * shape.length);
    promptLengths[r] = end - start;
    return view.store.answer(view.documents[piece.document] as number);
  });
  const batch = batchOf(
    out,
    plans.length,
    { ...shape, segments: false },
    Int32Array.from(plans, (p) => p.dataset),
  );
  return { ...batch, answers, promptLengths };
}
