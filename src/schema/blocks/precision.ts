import { field, oneOf, real, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

const stored = { fp32: "32-bit float", fp16: "16-bit float", bf16: "bfloat16" };
const compute = {
  fp32: "32-bit float",
  tf32: "32-bit storage, 19-bit matmul inputs",
  fp16: "16-bit float",
  bf16: "bfloat16",
  fp8: "8-bit float: e4m3 forward, e5m2 backward",
  mxfp8: "8-bit float with one scale per 32 values",
};

export const precision: BlockSpec = {
  keyword: "precision",
  doc: "Which numbers are used where. `fp32 tf32 fp16 bf16 fp8 mxfp8` are predefined; a block inherits from one and overrides.",
  since: "0.1",
  named: true,
  inherits: true,
  fields: [
    field("compute", words(compute), "inputs of matrix multiplications", "bf16", { required: true }),
    field("weights", words({ ...stored, fp8: "8-bit float" }), "weights as the forward pass holds them", "bf16", {
      required: true,
    }),
    field("gradients", words(stored), "gradients as they are accumulated", "fp32", { default: "fp32" }),
    field(
      "master_weights",
      words({ ...stored, none: "weights are updated as they are" }),
      "the copy that the optimizer updates",
      "fp32",
      { default: "fp32" },
    ),
    field(
      "optimizer_state",
      words({ ...stored, int8: "8-bit blocks (bitsandbytes)", fp8: "8-bit float" }),
      "moments of the optimizer",
      "fp32",
      { default: "fp32" },
    ),
    field("reduce", words(stored), "gradients on their way between data-parallel ranks", "fp32", { default: "fp32" }),
    field(
      "loss_scale",
      oneOf(words({ none: "no scaling", dynamic: "as large as overflows allow" }), real(1)),
      "factor on the loss that keeps fp16 gradients from vanishing",
      "dynamic",
      { default: "none" },
    ),
    field(
      "recipe",
      words({
        delayed: "one scale a tensor, from past maxima",
        tensorwise: "one scale a tensor, from this tensor",
        rowwise: "one scale a row",
        blockwise: "one scale a block of 128 (DeepSeek V3)",
        mx: "one scale per 32 values (OCP MX)",
      }),
      "how fp8 scales are found",
      "tensorwise",
      { default: "tensorwise" },
    ),
  ],
  example: "precision careful: fp8 { gradients = fp32 }",
};
