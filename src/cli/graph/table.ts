/** A model graph as tables, one a kind of layer. */
import type { ModelGraph } from "../../model/graph.js";
import type { GraphFigures, KindFigures } from "../../model/index.js";
import { type Bytes, type Flops, formatBytes, formatCount, formatFlops } from "../../units/index.js";
import { table } from "../tables.js";

const none = "–";
const count = (n: number): string => (n === 0 ? none : formatCount(n));
const flops = (n: number): string => (n === 0 ? none : formatFlops(n as Flops));
const bytes = (n: number): string => (n === 0 ? none : formatBytes(n as Bytes));

export function graphTable(graph: ModelGraph, figures: GraphFigures): string {
  const { parameters, activeParameters, trainableParameters } = graph;
  const parts = [
    `${graph.model} (${graph.architecture}): ${formatCount(parameters, 4)} parameters`,
    ...(activeParameters === parameters ? [] : [`${formatCount(activeParameters, 4)} active`]),
    ...(trainableParameters === parameters ? [] : [`${formatCount(trainableParameters, 4)} trained`]),
  ];
  return [
    parts.join(", "),
    `a token, in sequences of ${formatCount(figures.length)}: ${flops(figures.forwardFlops)} forward, ${flops(figures.trainingFlops)} in training; ${bytes(figures.savedBytes)} saved for the backward (16-bit activations, nothing recomputed)`,
    "",
    table(["layers", "", "parameters", "forward/token", "saved/token"], figures.kinds.map(summary)),
    ...figures.kinds.flatMap((kind) => ["", `${kind.id} × ${kind.layers}, each layer`, ops(kind)]),
    "",
  ].join("\n");
}

const summary = (k: KindFigures): string[] => [
  k.id,
  `× ${k.layers}`,
  count(k.layers * k.parameters),
  flops(k.layers * k.forwardFlops),
  bytes(k.layers * k.savedBytes),
];

function ops(kind: KindFigures): string {
  const rows = kind.ops.map((op) => [
    op.id,
    op.kind,
    `${op.inputs.join(", ")} → ${op.outputs.join(", ")}`,
    `${count(op.parameters)}${op.parameters > 0 && op.trainable === 0 ? " frozen" : ""}`,
    flops(op.forwardFlops),
    bytes(op.savedBytes),
  ]);
  const input = kind.inputBytes > 0 ? [["(input)", "", "", none, none, bytes(kind.inputBytes)]] : [];
  return table(["op", "kind", "tensors", "parameters", "forward/token", "saved/token"], [...input, ...rows]);
}
