import stringWidth from "string-width";

/** Columns two spaces apart; the first is left-aligned, and so is every one whose cells are not all figures. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const figures = header.map(
    (_, c) => rows.length > 0 && rows.every((row) => /^[-+$~<≤]?[\d,.]+( ?\S{0,5})?$|^–?$/.test(row[c] ?? "")),
  );
  const widths = header.map((_, c) => Math.max(...all.map((row) => stringWidth(row[c] ?? ""))));
  return all
    .map((row) =>
      row
        .map((cell, c) => {
          const space = " ".repeat((widths[c] as number) - stringWidth(cell));
          return c > 0 && figures[c] === true ? space + cell : cell + space;
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
