import { bundledHardware, mergeHardware } from "../../hardware/index.js";
import type { Accelerator, Hardware, Instance } from "../../hardware/types.js";
import type { Plan } from "../../planner/plan.js";

const cache = new WeakMap<Plan, Hardware>();

/** Bundled hardware merged with the file's own declarations. */
export function hardwareOf(plan: Plan): Hardware {
  let hardware = cache.get(plan);
  if (hardware === undefined) {
    hardware = mergeHardware(bundledHardware(), plan.pipeline.accelerators, plan.pipeline.instances);
    cache.set(plan, hardware);
  }
  return hardware;
}

export function instanceOf(plan: Plan, name: string): Instance | undefined {
  const { instances } = hardwareOf(plan);
  return instances[name] ?? instances[`ml.${name}`] ?? instances[name.replace(/^ml\./, "")];
}

export const acceleratorOf = (plan: Plan, name: string): Accelerator | undefined => hardwareOf(plan).accelerators[name];

/** nvidia, aws… from the instance's accelerator; `cpu` where unknown. */
export function vendorOf(plan: Plan, instance: Instance | undefined, accelerator: string): string {
  const name = instance?.accelerator ?? accelerator;
  return (
    acceleratorOf(plan, name)?.vendor ??
    (/trainium|neuron/i.test(name) ? "aws" : /^(cpu|wasm|tensorflow|webgpu)$/i.test(name) ? "cpu" : "nvidia")
  );
}
