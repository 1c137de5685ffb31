/** Horizontal bars in eighths of a character. */
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

export function bar(share: number, width: number): string {
  const units = Math.max(0, Math.min(width * 8, Math.round(share * width * 8)));
  const text = "█".repeat(Math.floor(units / 8)) + (eighths[units % 8] ?? "");
  return text === "" && share > 0 ? "▏" : text;
}
