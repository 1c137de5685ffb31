/** Charts as SVG strings without a browser: Observable Plot over a linkedom document, loaded only when a report is made. */
import type * as PlotModule from "@observablehq/plot";

export type Plot = typeof PlotModule;

export interface Chart {
  readonly plot: Plot;
  /** Renders to an SVG string with a label for screen readers. */
  readonly render: (label: string, options: PlotModule.PlotOptions) => string;
}

/** Colours that keep their contrast in light and dark (Okabe–Ito, which colour-blind readers can tell apart). */
export const palette = [
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#CC79A7",
  "#56B4E9",
  "#D55E00",
  "#8C6BB1",
  "#999999",
  "#B8A600",
  "#4D9221",
] as const;

export async function loadChart(): Promise<Chart> {
  const [plot, { parseHTML }] = await Promise.all([import("@observablehq/plot"), import("linkedom")]);
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  return {
    plot,
    render: (label, options) => {
      const figure = plot.plot({
        document: document as unknown as NonNullable<PlotModule.PlotOptions["document"]>,
        ariaLabel: label,
        width: 860,
        marginLeft: 64,
        ...options,
      });
      // The stylesheet that Plot repeats in every figure stands once in the page.
      // Its groups' labels ("bar", "rule") say nothing, and groups may have none.
      return figure.outerHTML
        .replace(/<style>[\s\S]*?<\/style>/, "")
        .replace(/(<g\b[^>]*?) aria-label="[^"]*"/g, "$1")
        .replace("<svg ", '<svg role="img" ');
    },
  };
}
