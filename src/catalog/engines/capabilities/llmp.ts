import type { EngineProfile } from "./profile.js";

/** Our own runtime on TensorFlow.js. Every layout of a plan runs over local workers (rehearsal); one machine only. */
export const llmp: EngineProfile = {
  name: "llmp",
  doc: "this project's own runtime on TensorFlow.js: trains on this machine, no installation",
  versions: "0.1",
  aliases: ["local", "tfjs"],
  can: {
    providers: ["local"],
    vendors: ["cpu", "nvidia", "amd", "other"],
    objectives: ["pretrain", "sft", "dpo", "grpo", "distill"],
    adapters: ["lora", "qlora"],
    precisions: ["fp32", "bf16", "fp16", "fp8"],
    optimizers: ["adamw", "sgd", "lion", "muon", "adafactor"],
    architectures: "all",
    shards: ["none", "zero1", "zero2", "zero3", "hsdp"],
    tensor: true,
    sequence: true,
    pipeline: true,
    schedules: ["gpipe", "1f1b", "interleaved"],
    unevenPipeline: true,
    context: true,
    expert: true,
    recompute: ["none", "full", "selective", "every", "block", "ops", "perLayer"],
    offload: [],
    mixSchedule: "native",
    because: {
      offload: "the runtime's tensors already live in host memory (WASM and native CPU backends)",
      tf32: "tf32 is a mode of NVIDIA's tensor cores; the runtime computes in fp32 (DESIGN section 5)",
      mxfp8: "the runtime rounds to one scale per tensor; block scales of 32 are not simulated",
      "schedules.zero_bubble": "the local executor does input and weight gradients in one pass",
      "schedules.dualpipe": "the local executor does input and weight gradients in one pass",
      providers: "TensorFlow.js has no collective communication between machines (DESIGN section 5)",
    },
  },
  keys: {},
};
