import { describe, expect, it } from "vitest";
import { acceleratorRows, bundledHardware, fastDomain } from "../../src/hardware/index.js";

const { accelerators, instances, prices } = bundledHardware();
const GiB = 1024 ** 3;

describe("accelerators", () => {
  it("are there for what people train on, each with a source and a date", () => {
    for (const name of [
      "A100-40GB-SXM",
      "A100-80GB-SXM",
      "A100-40GB-PCIe",
      "A100-80GB-PCIe",
      "H100-80GB-SXM",
      "H200-141GB-SXM",
      "GH200",
      "H20",
      "B200-SXM",
      "B300-SXM",
      "GB200",
      "GB300",
      "L4",
      "L40S",
      "A10G",
      "V100-32GB",
      "RTX-PRO-6000-Blackwell-SE",
      "RTX-3090",
      "RTX-4090",
      "RTX-5090",
      "MI300X",
      "MI325X",
      "MI355X",
      "TPU-v4",
      "TPU-v5e",
      "TPU-v5p",
      "TPU-v6e",
      "Trainium1-NeuronCore",
      "Trainium2-NeuronCore",
      "Trainium3-NeuronCore",
    ])
      expect(accelerators[name], name).toBeDefined();
    for (const a of Object.values(accelerators)) {
      expect(a.sources[0]?.source, a.name).not.toBe("");
      expect(a.sources[0]?.date, a.name).toMatch(/^\d{4}-\d{2}-\d{2}$/);
      const peak = a.peakFlops.bf16 ?? a.peakFlops.fp16 ?? 0;
      expect(peak, a.name).toBeGreaterThan(1e13);
      // Bytes moved for each FLOP have stayed within two orders of magnitude since Volta.
      expect(a.memoryBandwidth / peak, a.name).toBeGreaterThan(1 / 1500);
      expect(a.memoryBandwidth / peak, a.name).toBeLessThan(1 / 20);
      expect(a.memoryBytes, a.name).toBeGreaterThan(10 * GiB);
      expect(a.memoryBytes, a.name).toBeLessThan(400 * GiB);
    }
  });

  it("are found by published spellings, the more particular first", () => {
    const named = (gpu: string): string | undefined =>
      acceleratorRows.find((r) => new RegExp(r.match, "i").test(gpu))?.name;
    expect(named("B200 (power limited)")).toBe("B200 power-limited");
    expect(named("NVIDIA GB200 NVL72")).toBe("GB200");
    expect(named("A100-PCIE-40GB")).toBe("A100-40GB-PCIe");
    expect(named("trn2.48xlarge")).toBe("Trainium2-NeuronCore");
    expect(named("AWS Trainium")).toBe("Trainium1-NeuronCore");
    expect(named("TPU v6e-256")).toBe("TPU-v6e");
    expect(named("RTX PRO 6000 Blackwell")).toBe("RTX-PRO-6000-Blackwell-SE");
  });
});

describe("Trainium", () => {
  it("is counted in ranks: logical NeuronCores, with their share of memory", () => {
    expect(instances["trn1.32xlarge"]).toMatchObject({ accelerators: 32, chips: 16, acceleratorMemoryBytes: 16 * GiB });
    expect(instances["trn2.48xlarge"]).toMatchObject({ accelerators: 64, chips: 16, acceleratorMemoryBytes: 24 * GiB });
    expect(instances["trn1.2xlarge"]).toMatchObject({ accelerators: 2, chips: 1 });
  });
});

describe("instances", () => {
  it("of AWS are complete from P4d to P6e and from G5 to G7e", () => {
    for (const family of [
      "p4d",
      "p4de",
      "p5",
      "p5e",
      "p5en",
      "p6-b200",
      "p6-b300",
      "p6e-gb200",
      "g5",
      "g6",
      "g6e",
      "g7e",
      "trn1",
      "trn1n",
      "trn2",
    ])
      for (const prefix of ["", "ml."])
        expect(
          Object.keys(instances).some((n) => n.startsWith(`${prefix}${family}.`)),
          prefix + family,
        ).toBe(true);
  });

  it("without a known price say so", () => {
    const price = prices.find((p) => p.instance === "p6e-gb200.36xlarge");
    expect(price).toMatchObject({ usdPerHour: null, source: expect.stringContaining("unknown") });
  });

  it("share a fast domain only where the domain spans them", () => {
    const domain = (name: string): number => fastDomain(accelerators[instances[name]!.accelerator]!, instances[name]!);
    expect(domain("p5.48xlarge")).toBe(8);
    expect(domain("p5.4xlarge")).toBe(1);
    expect(domain("trn1.2xlarge")).toBe(2);
    expect(domain("p6e-gb200.36xlarge")).toBe(72);
  });
});
