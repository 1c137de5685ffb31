/** A model graph as Graphviz or Mermaid: one box a kind of layer, its ops and the tensors between them. */
import type { Dim, LayerKind, ModelGraph } from "../../model/graph.js";

interface Node {
  /** Unique in the whole picture. */
  readonly key: string;
  readonly label: string;
}

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

interface Box {
  readonly key: string;
  readonly title: string;
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
  readonly first: string;
  readonly last: string;
}

const dim = (d: Dim): string => String(d);

function boxOf(kind: LayerKind, layers: number, at: number): Box {
  const key = (id: string): string => `k${at}_${id.replace(/\W/g, "_")}`;
  const input = key("in");
  const makers = new Map(kind.ops.flatMap((op) => op.outputs.map((id) => [id, key(op.id)] as const)));
  const nodes: Node[] = [{ key: input, label: kind.input }];
  const edges: Edge[] = [];
  for (const op of kind.ops) {
    nodes.push({ key: key(op.id), label: op.kind === op.id ? op.id : `${op.id} (${op.kind})` });
    for (const id of op.inputs) {
      const shape = kind.tensors[id]?.shape.map(dim).join(" × ") ?? "";
      edges.push({ from: makers.get(id) ?? input, to: key(op.id), label: shape });
    }
  }
  const last = makers.get(kind.output) ?? input;
  return { key: `k${at}`, title: `${kind.id} × ${layers}`, nodes, edges, first: input, last };
}

function boxes(graph: ModelGraph): readonly Box[] {
  return [...new Set(graph.stack)].map((id, at) =>
    boxOf(graph.kinds[id] as LayerKind, graph.stack.filter((one) => one === id).length, at),
  );
}

/** Which kind follows which in the stack, each pair once. */
function turns(graph: ModelGraph, all: readonly Box[]): readonly (readonly [Box, Box])[] {
  const order = [...new Set(graph.stack)];
  const seen = new Set<string>();
  return graph.stack.slice(1).flatMap((id, i) => {
    const before = graph.stack[i] as string;
    const pair = `${before} ${id}`;
    if (before === id || seen.has(pair)) return [];
    seen.add(pair);
    return [[all[order.indexOf(before)] as Box, all[order.indexOf(id)] as Box] as const];
  });
}

const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;

export function dot(graph: ModelGraph): string {
  const all = boxes(graph);
  const lines = all.flatMap((box) => [
    `  subgraph cluster_${box.key} {`,
    `    label = ${quoted(box.title)};`,
    ...box.nodes.map((n) => `    ${n.key} [label = ${quoted(n.label)}];`),
    ...box.edges.map((e) => `    ${e.from} -> ${e.to} [label = ${quoted(e.label)}];`),
    "  }",
  ]);
  const between = turns(graph, all).map(([a, b]) => `  ${a.last} -> ${b.first};`);
  return [`digraph ${quoted(graph.model)} {`, "  node [shape = box];", ...lines, ...between, "}", ""].join("\n");
}

export function mermaid(graph: ModelGraph): string {
  const text = (label: string): string => `"${label.replaceAll('"', "#quot;")}"`;
  const all = boxes(graph);
  const lines = all.flatMap((box) => [
    `  subgraph ${box.key}[${text(box.title)}]`,
    ...box.nodes.map((n) => `    ${n.key}[${text(n.label)}]`),
    ...box.edges.map((e) => `    ${e.from} -->|${text(e.label)}| ${e.to}`),
    "  end",
  ]);
  const between = turns(graph, all).map(([a, b]) => `  ${a.last} --> ${b.first}`);
  return ["flowchart TD", ...lines, ...between, ""].join("\n");
}
