import { expect, test } from "vitest";
import { bundledHardware, mergeHardware } from "../../src/hardware/index.js";
import { checkText } from "../checker/helpers.js";

test("a file's own machines stand beside the bundled ones, in SI", () => {
  const text = `
accelerator chip {
  vendor = amd, memory = 192GiB, memory_bandwidth = 5.3TB
  bf16 = 1300T, fp8 = 2600T, link_bandwidth = 448GB, link = "Infinity Fabric"
}
instance box { accelerator = chip, accelerators = 8, memory = 2TiB, network = 400GB, price = $25 }
cluster mine { provider = slurm, instance = box, count = 1..4 }
`;
  const { value, diagnostics } = checkText(text);
  expect(diagnostics).toEqual([]);
  const base = bundledHardware();
  const hardware = mergeHardware(base, value?.accelerators ?? {}, value?.instances ?? {});
  expect(Object.keys(hardware.instances)).toHaveLength(Object.keys(base.instances).length + 1);
  expect(hardware.accelerators.chip).toMatchObject({
    vendor: "amd",
    peakFlops: { bf16: 1.3e15, fp8: 2.6e15 },
    memoryBytes: 192 * 1024 ** 3,
    memoryBandwidth: 5.3e12,
    intraBandwidth: 4.48e11,
    domainSize: 8,
  });
  expect(hardware.instances.box).toMatchObject({ accelerator: "chip", accelerators: 8, networkBandwidth: 4e11 });
  expect(hardware.prices.find((p) => p.instance === "box")?.usdPerHour).toBe(25);
});

test("every bundled instance has its chip, and figures that are possible", () => {
  const { accelerators, instances, prices } = bundledHardware();
  for (const instance of Object.values(instances)) {
    expect(accelerators[instance.accelerator], instance.name).toBeDefined();
    expect(instance.accelerators).toBeGreaterThan(0);
    expect(instance.sources[0]?.date).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(
      prices.some((p) => p.instance === instance.name),
      instance.name,
    ).toBe(true);
  }
});
