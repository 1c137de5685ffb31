/**
 * The predefined precisions: what each key of a `precision` block is set to.
 * Mixed precision keeps fp32 master weights and optimizer state (Micikevicius et al. 2018); fp8 follows Transformer Engine
 * (weights kept in bf16, matmul inputs cast to e4m3, output gradients to e5m2); mxfp8 scales blocks of 32 (OCP MX 1.0).
 */
import type { PrecisionDescriptor } from "../types.js";

const mixed = {
  gradients: "fp32",
  master_weights: "fp32",
  optimizer_state: "fp32",
  reduce: "fp32",
  loss_scale: "none",
};

export const precisions: readonly PrecisionDescriptor[] = [
  {
    name: "fp32",
    doc: "everything in 32-bit floats",
    values: { ...mixed, compute: "fp32", weights: "fp32", master_weights: "none", recipe: "delayed" },
  },
  {
    name: "tf32",
    doc: "32-bit storage; matmuls round their inputs to 19 bits (NVIDIA Ampere and later)",
    values: { ...mixed, compute: "tf32", weights: "fp32", master_weights: "none", recipe: "delayed" },
  },
  {
    name: "fp16",
    doc: "16-bit floats with dynamic loss scaling and fp32 master weights",
    values: { ...mixed, compute: "fp16", weights: "fp16", loss_scale: "dynamic", recipe: "delayed" },
  },
  {
    name: "bf16",
    doc: "bfloat16 compute and weights, fp32 gradients' reduction and master weights",
    values: { ...mixed, compute: "bf16", weights: "bf16", recipe: "delayed" },
  },
  {
    name: "fp8",
    doc: "matmuls in fp8 (e4m3 forward, e5m2 backward), all else as bf16; needs Hopper, Ada, MI300 or Trainium 2",
    values: { ...mixed, compute: "fp8", weights: "bf16", recipe: "tensorwise" },
  },
  {
    name: "mxfp8",
    doc: "fp8 with one scale per 32 values (OCP MX); needs Blackwell",
    values: { ...mixed, compute: "mxfp8", weights: "bf16", recipe: "mx" },
  },
];

export const precisionByName = (name: string): PrecisionDescriptor | undefined =>
  precisions.find((p) => p.name === name);
