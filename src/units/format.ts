/** The one formatter of figures: every surface (terminal, HTML, hover, errors) shows a number the same way. */
import type { Bytes, Flops, Ratio, Seconds, Tokens, Usd } from "./types.js";

const group = (digits: string): string => digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");

/** `digits` significant figures without exponent or trailing zeros: 0.00123, 12.4, 1,240. */
export function formatNumber(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "n/a" : value > 0 ? "∞" : "-∞";
  if (value === 0) return "0";
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const decimals = Math.max(0, digits - 1 - magnitude);
  const fixed = decimals > 0 ? value.toFixed(Math.min(decimals, 12)) : String(Math.round(value));
  const trimmed = fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
  const [whole = "0", fraction] = trimmed.split(".");
  return fraction === undefined ? group(whole) : `${group(whole)}.${fraction}`;
}

const gib = 1024 ** 3;

/** Bytes in the largest binary unit that keeps the figure at or above 1: `71.8 GiB`. */
export function formatBytes(bytes: Bytes, digits = 3): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value: number = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${formatNumber(value, digits)} ${units[unit]}`;
}

/** GiB with one decimal and no unit, for tables whose header names it. */
export const formatGiB = (bytes: Bytes): string => (bytes / gib).toFixed(1);

/** `0.43 ms`, `5.16 s`, `12 min`, `3.4 h`, `11.4 days`. */
export function formatSeconds(seconds: Seconds, digits = 3): string {
  const s: number = seconds;
  const abs = Math.abs(s);
  if (!Number.isFinite(s)) return formatNumber(s);
  if (abs < 1e-3) return `${formatNumber(s * 1e6, digits)} µs`;
  if (abs < 1) return `${formatNumber(s * 1e3, digits)} ms`;
  if (abs < 120) return `${formatNumber(s, digits)} s`;
  if (abs < 7200) return `${formatNumber(s / 60, digits)} min`;
  if (abs < 48 * 3600) return `${formatNumber(s / 3600, digits)} h`;
  return `${formatNumber(s / 86_400, digits)} days`;
}

/** `$0.42`, `$118`, `$120k`, `$1.24M`. */
export function formatUsd(usd: Usd): string {
  const value: number = usd;
  if (!Number.isFinite(value)) return "$∞";
  const abs = Math.abs(value);
  const sign = value < 0 ? "-" : "";
  if (abs < 10) return `${sign}$${abs.toFixed(2)}`;
  if (abs < 10_000) return `${sign}$${group(String(Math.round(abs)))}`;
  if (abs < 1e6) return `${sign}$${formatNumber(abs / 1e3)}k`;
  if (abs < 1e9) return `${sign}$${formatNumber(abs / 1e6)}M`;
  return `${sign}$${formatNumber(abs / 1e9)}B`;
}

/** Counts in decimal units, as the field writes them: `8.03 B`, `800 B`, `1.2 T`, `50,257`. */
export function formatCount(count: number, digits = 3): string {
  const abs = Math.abs(count);
  if (abs < 1e5) return formatNumber(count, Math.max(digits, String(Math.round(abs)).length));
  if (abs < 1e6) return `${formatNumber(count / 1e3, digits)} k`;
  if (abs < 1e9) return `${formatNumber(count / 1e6, digits)} M`;
  if (abs < 1e12) return `${formatNumber(count / 1e9, digits)} B`;
  return `${formatNumber(count / 1e12, digits)} T`;
}

export const formatTokens = (tokens: Tokens): string => formatCount(tokens);

export function formatFlops(flops: Flops): string {
  const value: number = flops;
  const units = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];
  const unit = value > 0 ? Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(value) / 3))) : 0;
  return `${formatNumber(value / 1000 ** unit)} ${units[unit]}FLOP`;
}

export const formatPercent = (ratio: Ratio, digits = 3): string => `${formatNumber(ratio * 100, digits)}%`;

/** By how much a planned figure is above what was measured, signed; empty where either is unknown. */
export function formatDeviation(planned: number, measured: number): string {
  if (planned <= 0 || measured <= 0) return "";
  const text = formatPercent(planned / measured - 1, 2);
  return planned > measured && text !== "0%" ? `+${text}` : text;
}
