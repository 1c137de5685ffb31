/** Learning-rate schedules. Each warms up linearly from 0, then follows its own curve down to `min_lr`. */
import { field, oneOf, quantity, ratio } from "../fields.js";
import type { ScheduleDescriptor } from "../types.js";

const warmup = field(
  "warmup",
  oneOf(quantity("steps", "tokens"), ratio),
  "linear rise from 0 at the start; a percentage is of the stage's length",
  "2000 steps",
  {
    default: "0 steps",
  },
);
const minimum = field(
  "min_lr",
  quantity("count", "ratio"),
  "where the curve ends: a learning rate, or a percentage of the peak",
  "3e-5",
  { default: "10%" },
);

export const schedules: readonly ScheduleDescriptor[] = [
  { name: "constant", doc: "stays at the peak after the warm-up", fields: [warmup] },
  {
    name: "cosine",
    doc: "half a cosine from the peak to `min_lr` (Loshchilov and Hutter 2017)",
    fields: [warmup, minimum],
  },
  { name: "linear", doc: "a straight line from the peak to `min_lr`", fields: [warmup, minimum] },
  {
    name: "wsd",
    doc: "warm-up, stable, decay: constant, then a line down in the last share of training (MiniCPM 2024)",
    fields: [
      warmup,
      minimum,
      field("decay", ratio, "share of the training spent in the decay", "20%", { default: "20%" }),
    ],
  },
];

export const scheduleByName = (name: string): ScheduleDescriptor | undefined => schedules.find((s) => s.name === name);
