import { field, quantity, real, ref, text, whole, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

const flops = (name: string) =>
  field(name, real(0), `dense peak ${name} operations per second; leave out what the chip lacks`, "989T");

export const accelerator: BlockSpec = {
  keyword: "accelerator",
  doc: "A chip that the bundled data lacks. Rates are per second.",
  since: "0.1",
  named: true,
  fields: [
    field(
      "vendor",
      words({
        nvidia: "NVIDIA",
        amd: "AMD",
        aws: "AWS (Trainium)",
        google: "Google (TPU)",
        cpu: "a CPU",
        other: "another",
      }),
      "maker",
      "nvidia",
      { default: "other" },
    ),
    field("generation", text, "architecture", '"hopper"'),
    field("memory", quantity("bytes"), "device memory as the driver reports it", "80GiB", { required: true }),
    field("memory_bandwidth", quantity("bytes"), "of device memory, per second", "3.35TB", { required: true }),
    ...["fp32", "tf32", "fp16", "bf16", "fp8", "mxfp8"].map(flops),
    field(
      "link_bandwidth",
      quantity("bytes"),
      "between devices of a node, one direction, per second and device",
      "450GB",
      { required: true },
    ),
    field("link", text, "kind of that link", '"NVLink 4"'),
    field("domain", whole(), "devices that the link joins", "8", { default: "8" }),
    field("power", real(0), "watts", "700"),
  ],
  example: "accelerator h100 {\n  memory = 80GiB, memory_bandwidth = 3.35TB\n  bf16 = 989T, link_bandwidth = 450GB\n}",
};

export const instance: BlockSpec = {
  keyword: "instance",
  doc: "A machine type that the bundled data lacks.",
  since: "0.1",
  named: true,
  fields: [
    field("accelerator", ref("accelerator"), "its chips", "h100", { required: true }),
    field("accelerators", whole(), "how many of them", "8", { required: true }),
    field("vcpus", whole(), "processor threads", "192", { default: "64" }),
    field("memory", quantity("bytes"), "host memory", "2TiB", { required: true }),
    field("network", quantity("bytes"), "network bandwidth of the machine, one direction, per second", "400GB", {
      required: true,
    }),
    field("network_interfaces", whole(0), "interfaces that share it", "32", { default: "8" }),
    field("disk", quantity("bytes"), "local disk", "30TB", { default: "0GB" }),
    field("price", quantity("usd"), "per machine and hour", "$98.32"),
  ],
  example: "instance box {\n  accelerator = h100, accelerators = 8\n  memory = 2TiB, network = 400GB, price = $25\n}",
};
