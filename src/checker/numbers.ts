/** A quantity against its row: dimension, bounds, wholeness. */
import { unitCodes } from "../diagnostics/index.js";
import { formatNumber } from "../units/index.js";
import type { Context } from "./context.js";
import { names, type Quantity, type UnitDimension, written } from "./quantity.js";

interface QuantityType {
  readonly kind: "quantity";
  readonly dimensions: readonly UnitDimension[];
  readonly integer?: boolean;
  readonly min?: number;
  readonly max?: number;
}

/** Half a step does not exist. (Tokens may come out of a division; they are rounded where they are used.) */
const countable: ReadonlySet<UnitDimension> = new Set<UnitDimension>(["steps", "sequences", "samples", "layers"]);

export function readQuantity(value: Quantity, type: QuantityType, key: string, context: Context): Quantity | undefined {
  const dimension = settle(value, type, key, context);
  if (dimension === undefined) return undefined;
  if ((type.integer === true || countable.has(dimension)) && !Number.isInteger(value.value)) {
    context.report(
      unitCodes.report(
        "LLMP2007",
        value.span,
        { key, found: formatNumber(value.value, 6) },
        {
          hints: Number.isFinite(value.value)
            ? [`the nearest are ${Math.floor(value.value)} and ${Math.ceil(value.value)}`]
            : [],
        },
      ),
    );
    return undefined;
  }
  const { min, max } = type;
  if ((min !== undefined && value.value < min) || (max !== undefined && value.value > max)) {
    const floor = min === 0.001 ? "above 0" : undefined;
    const show = (n: number): string => (dimension === "ratio" ? `${formatNumber(n * 100)}%` : String(n));
    const bound =
      floor !== undefined && value.value < (min ?? 0)
        ? floor
        : min !== undefined && max !== undefined
          ? `between ${show(min)} and ${show(max)}`
          : min !== undefined
            ? `at least ${show(min)}`
            : `at most ${show(max ?? 0)}`;
    context.report(
      unitCodes.report("LLMP2006", value.span, {
        key,
        bound,
        found: dimension === "ratio" ? show(value.value) : formatNumber(value.value, 6),
      }),
    );
    return undefined;
  }
  return { ...value, dimension };
}

/** A plain number takes the row's unit where there is only one to take, and where it cannot be misread. */
function settle(value: Quantity, type: QuantityType, key: string, context: Context): UnitDimension | undefined {
  const { dimensions } = type;
  if (dimensions.includes(value.dimension)) return value.dimension;
  if (value.dimension === "count") {
    const only = dimensions[0];
    const bare = only !== undefined && dimensions.length === 1;
    if (
      bare &&
      (only === "tokens" || only === "steps" || only === "epochs" || only === "sequences" || only === "samples")
    )
      return only;
    // Shares such as 0.1 are usual; 70 for 70% is not guessed at.
    if (bare && only === "ratio" && value.value >= 0 && value.value < 1) return only;
    context.report(
      unitCodes.report(
        "LLMP2005",
        value.span,
        { key, expected: dimensions.map((d) => names(d)).join(" or ") },
        {
          hints: [
            `for example ${dimensions.map((d) => `\`${d === "ratio" && value.value > 1 ? `${value.value}%` : written[d]}\``).join(" or ")}`,
          ],
        },
      ),
    );
    return undefined;
  }
  context.report(
    unitCodes.report(
      "LLMP2002",
      value.unitSpan,
      { key, expected: dimensions.map(names).join(" or "), found: names(value.dimension) },
      {
        ...(value.unitSpan === value.span ? {} : { labels: [{ span: value.span, text: names(value.dimension) }] }),
        hints: [`for example ${dimensions.map((d) => `\`${written[d]}\``).join(" or ")}`],
      },
    ),
  );
  return undefined;
}
