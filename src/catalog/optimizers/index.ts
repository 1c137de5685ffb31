/** Optimizers: their options, the state that each keeps per parameter, and the arithmetic of one update. */
import { field, real, variant } from "../fields.js";
import { schedules } from "../schedules/index.js";
import type { OptimizerDescriptor } from "../types.js";

const lr = field("lr", real(0), "peak learning rate; unless given, what the field uses for the objective", "3e-4");
const schedule = field(
  "schedule",
  variant(schedules.map(({ name, doc, fields }) => ({ name, doc, fields }))),
  "how the learning rate moves over the training",
  "cosine { warmup = 2000 steps }",
  { default: "cosine" },
);
const clip = field("clip", real(0), "largest global norm of the gradients; 0: no clipping", "1.0", { default: "1.0" });
const decay = (value: string) =>
  field("weight_decay", real(0), "decoupled weight decay; norms and biases are left out", "0.1", { default: value });
const beta1 = (value: string) =>
  field("beta1", real(0, 1), "decay of the running mean of the gradient", "0.9", { default: value });
const beta2 = (value: string) =>
  field("beta2", real(0, 1), "decay of the running mean of its square", "0.95", { default: value });
const eps = (value: string) => field("eps", real(0), "added to the denominator", "1e-8", { default: value });

export const optimizers: readonly OptimizerDescriptor[] = [
  {
    name: "adamw",
    doc: "Adam with decoupled weight decay (Loshchilov and Hutter 2019)",
    fields: [lr, decay("0.1"), beta1("0.9"), beta2("0.95"), eps("1e-8"), clip, schedule],
    statesPerParameter: 2,
    flopsPerParameter: 14,
    local: true,
  },
  {
    name: "sgd",
    doc: "stochastic gradient descent with momentum (`beta1`)",
    fields: [lr, decay("0"), beta1("0.9"), clip, schedule],
    statesPerParameter: 1,
    flopsPerParameter: 5,
    local: true,
  },
  {
    name: "lion",
    doc: "sign of the momentum: one state instead of two (Chen et al. 2023); lr about a fifth of AdamW's",
    fields: [lr, decay("0.1"), beta1("0.9"), beta2("0.99"), clip, schedule],
    statesPerParameter: 1,
    flopsPerParameter: 9,
    local: true,
  },
  {
    name: "muon",
    doc: "orthogonalised momentum for matrices, AdamW for the rest (Jordan et al. 2024)",
    fields: [lr, decay("0.1"), beta1("0.95"), beta2("0.95"), eps("1e-8"), clip, schedule],
    statesPerParameter: 1,
    flopsPerParameter: 30,
    local: true,
  },
  {
    name: "adafactor",
    doc: "factored second moments: a row and a column instead of a matrix (Shazeer and Stern 2018)",
    fields: [lr, decay("0"), beta2("0.999"), eps("1e-30"), clip, schedule],
    statesPerParameter: 0,
    flopsPerParameter: 12,
    local: true,
  },
];

export const optimizerByName = (name: string): OptimizerDescriptor | undefined =>
  optimizers.find((o) => o.name === name);
