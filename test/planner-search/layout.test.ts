import { expect, it } from "vitest";
import { bundledHardware } from "../../src/hardware/index.js";
import { meshOf, splitStack, statePlacements, tensorPlacements } from "../../src/planner/layout/index.js";
import { axesOf } from "../../src/planner/layout/mesh.js";
import { contextOf, parallel, program } from "../planner-physics/context.js";
import { compositions, random } from "./enumerate.js";

const hardware = bundledHardware();
const p5 = hardware.instances["p5.48xlarge"]!;
const h100 = hardware.accelerators[p5.accelerator]!;

it("the chattiest axes take the fastest links, and a group says how much of it stays inside a node", () => {
  const mesh = meshOf(parallel({ tensor: 4, context: 4, data: 8, pipeline: 2 }), p5, h100);
  expect(mesh.map((m) => m.axis)).toEqual(["pipeline", "data", "context", "tensor"]);
  expect(mesh[3]!.link).toBe(h100.intraKind);
  expect(mesh[2]!.link).toBe(`${h100.intraKind} by 2, network`);
  expect(mesh[1]!.link).toBe("network");
});

it("experts are dealt out over the fastest ranks; the sizes of the axes multiply to the devices", () => {
  for (const [t, c, d, e] of [
    [1, 1, 64, 8],
    [2, 1, 32, 8],
    [4, 2, 8, 8],
    [2, 2, 6, 8],
    [8, 1, 4, 2],
  ] as const) {
    const axes = axesOf(parallel({ tensor: t, context: c, data: d, expert: e, pipeline: 2 }));
    expect(axes.reduce((n, a) => n * a.size, 1)).toBe(t * c * d * 2);
    const ranks = axes.reduce((n, a) => (a.dealsExperts ? n * a.size : n), 1);
    expect(e % ranks).toBe(0);
    for (const [i, a] of axes.entries()) expect(a.stride).toBe(axes.slice(0, i).reduce((n, x) => n * x.size, 1));
  }
});

it("every weight has a place on every axis, and its shares add up to it", () => {
  const mixtral = contextOf(program("mixtral mixtral_8x7b", "engine = megatron"));
  const p = parallel({ tensor: 2, sequence: true, data: 16, expert: 8, pipeline: 2, shard: "zero1" });
  const mesh = meshOf(p, p5, h100);
  const tensors = tensorPlacements(mixtral.policy, p, mixtral.precision);
  for (const t of tensors) expect(Object.keys(t.placement)).toEqual(mesh.map((m) => m.axis));
  const expert = tensors.find((t) => t.shape[0] === 8 && t.shape.length === 3)!;
  expect(expert.placement).toMatchObject({ tensor: "shard(0)", expert: "shard(0)", data: "replicate" });
  expect(expert.bytes_per_rank * 8).toBe(expert.shape.reduce((a, b) => a * b, 2));
  const query = tensors.find((t) => t.name.includes("q_proj"))!;
  expect(query.placement).toMatchObject({ tensor: "shard(0)", expert: "replicate" });
  expect(statePlacements(p)).toEqual({ gradients: [], optimizer: ["expert", "data"] });
  const fsdp = parallel({ data: 8, context: 2, shard: "hsdp", shard_group: 8 });
  expect(statePlacements(fsdp)).toEqual({ gradients: ["context", "shard"], optimizer: ["context", "shard"] });
});

it("uneven splits are as balanced as any can be", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const next = random(seed);
    const layers = 4 + Math.floor(next() * 7);
    const parts = 2 + Math.floor(next() * 3);
    const kinds = [0.5 + next(), 0.5 + next()];
    const seconds = [next(), ...Array.from({ length: layers }, () => kinds[next() < 0.5 ? 0 : 1]!), 2 * next()];
    const slowest = (sizes: readonly number[]): number => {
      let at = 1;
      return Math.max(
        ...sizes.map((size, i) => {
          let sum = (i === 0 ? seconds[0]! : 0) + (i === sizes.length - 1 ? seconds.at(-1)! : 0);
          for (let n = 0; n < size; n++) sum += seconds[at++]!;
          return sum;
        }),
      );
    };
    const best = Math.min(...[...compositions(layers, parts)].map(slowest));
    const chunks = splitStack({ seconds, pipeline: parts, virtual: 1, schedule: "1f1b", even: false });
    const sizes = chunks.map((c) => Math.min(c.last, layers) - Math.max(c.first, 1) + 1);
    expect(slowest(sizes), `seed ${seed}`).toBeLessThanOrEqual(best * (1 + 1e-6));
  }
});
