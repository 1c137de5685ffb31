/** The railroad page: one static SVG a rule, drawn by `railroad-diagrams`. No script, nothing to fetch. */
import { createRequire } from "node:module";

const { Diagram, Sequence, Choice, Optional, OneOrMore, ZeroOrMore, Terminal, NonTerminal, Skip } = createRequire(
  import.meta.url,
)("railroad-diagrams");

const style = `:root { color-scheme: light dark; --ink: #1c2733; --line: #41607f; --word: #dff0e4; --rule: #e2e9f8; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --line: #8fb0d0; --word: #1d3b2a; --rule: #22324f; --page: #0f1720; } }
body { background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
section { overflow-x: auto; }
h2 { font: 600 1.1rem ui-monospace, monospace; margin: 2rem 0 0.5rem; }
svg { display: block; }
svg path { fill: none; stroke: var(--line); stroke-width: 2; }
svg text { fill: var(--ink); font: 14px ui-monospace, monospace; text-anchor: middle; }
svg rect { fill: var(--word); stroke: var(--line); stroke-width: 1.5; }
svg g.non-terminal rect { fill: var(--rule); }
svg a:hover rect, svg a:focus rect { stroke-width: 3; }`;

/** `rules`: Chevrotain's serialized productions; `terminal(node)` is how a token is written, "" for what is left out. */
export function railroadPage(rules, terminal) {
  const names = new Set(rules.map((r) => r.name));
  const all = (nodes) => nodes.map(draw).filter((d) => d !== undefined);
  const line = (nodes) => {
    const parts = all(nodes);
    return parts.length === 0 ? undefined : parts.length === 1 ? parts[0] : new Sequence(parts);
  };
  function draw(node) {
    switch (node.type) {
      case "Terminal": {
        const text = terminal(node);
        return text === "" ? undefined : new Terminal(text);
      }
      case "NonTerminal":
        return names.has(node.name) ? new NonTerminal(node.name, `#${node.name}`) : undefined;
      case "Option":
        return wrapped(Optional, node);
      case "Repetition":
        return wrapped(ZeroOrMore, node);
      case "RepetitionMandatory":
        return wrapped(OneOrMore, node);
      case "Alternation": {
        const ways = all(node.definition);
        return ways.length > 1 ? new Choice(0, ways) : ways[0];
      }
      default:
        return line(node.definition ?? []);
    }
  }
  const wrapped = (Shape, node) => {
    const inner = line(node.definition);
    return inner === undefined ? undefined : new Shape(inner);
  };
  const sections = rules.map((rule) => {
    const picture = new Diagram([line(rule.definition) ?? new Skip()]).format().toString();
    return `<section id="${rule.name}" aria-labelledby="${rule.name}-name">\n<h2 id="${rule.name}-name">${rule.name}</h2>\n${picture.replace("<svg ", `<svg role="img" aria-label="${rule.name}: see llmp.ebnf for it in words" `)}\n</section>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The grammar of llmp</title>
<style>
${style}
</style>
<h1>The grammar of llmp</h1>
<p>Generated from the parser by <code>npm run gen</code>; the same in words: <a href="llmp.ebnf">llmp.ebnf</a>, keys: <a href="reference.md">reference.md</a>.</p>
${sections.join("\n")}
</html>
`;
}
