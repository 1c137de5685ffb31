/** This machine as instances to choose among: one for each number of workers that the file allows. */
import type { Cluster, ParallelSettings, Setting, Stage } from "../../checker/pipeline.js";
import type { Accelerator, Instance } from "../../hardware/types.js";
import type { LocalMachine, PlanOptions } from "../types.js";
import { allowed, fixedValue } from "./space.js";

export interface Machine {
  readonly instance: Instance;
  readonly accelerator: Accelerator;
  /** Of this machine. */
  readonly local?: LocalMachine;
  readonly team?: Team;
}

/** Workers of this machine. */
export interface Team {
  readonly workers: number;
  /** The planner chose how many: the file names `data` and leaves its value open. */
  readonly open: boolean;
  readonly parallel: ParallelSettings;
}

/** Data-parallel workers up to the cores, where the file leaves `data` open by its word; else as its degrees ask for. */
export function teamsHere(cluster: Cluster, stage: Stage, options: PlanOptions): Machine[] {
  const { parallel } = stage;
  const others = product(parallel, ["tensor", "pipeline", "context"]);
  const { data } = parallel;
  if (fixedValue(data) !== undefined || data.from === "default") {
    const workers = others * (fixedValue(data) ?? 1);
    return [machine(localOf(cluster, workers, options), { workers, open: false, parallel })];
  }
  const workersOn = localOf(cluster, 2, options);
  const backend = cluster.options.backend?.value ?? "wasm";
  // How TensorFlow's rates divide among workers is not measured: there the file says how many, or it is one.
  const most = backend === "wasm" ? Math.max(1, Math.floor((workersOn?.cores ?? defaultCores) / others)) : 1;
  return allowed(
    data,
    Array.from({ length: most }, (_, i) => i + 1),
  ).map((degree) => {
    const workers = degree * others;
    return machine(localOf(cluster, workers, options), { workers, open: true, parallel: onlyData(parallel, degree) });
  });
}

/** The planner tells data-parallel workers' memory and time; other axes are as the file says, or 1. */
function onlyData(p: ParallelSettings, degree: number): ParallelSettings {
  const plain = <T>(setting: Setting<T>, value: T): Setting<T> =>
    setting.value.kind === "auto" ? { ...setting, value: { kind: "fixed", value } } : setting;
  return {
    ...p,
    data: { ...p.data, value: { kind: "fixed", value: degree } },
    tensor: plain(p.tensor, 1),
    pipeline: plain(p.pipeline, 1),
    context: plain(p.context, 1),
    expert: plain(p.expert, 1),
    shard: plain(p.shard, "none"),
  };
}

const product = (p: ParallelSettings, axes: readonly ("tensor" | "pipeline" | "context")[]): number =>
  axes.reduce((n, axis) => n * (fixedValue(p[axis]) ?? 1), 1);

const defaultCores = 2;

/** Workers compute on WASM, or on TensorFlow with their part of the cores each, where the file names it. */
function localOf(cluster: Cluster, workers: number, { local }: PlanOptions): LocalMachine | undefined {
  const named = cluster.options.backend?.value;
  const backend = workers === 1 || named === "tensorflow" ? named : "wasm";
  const machine = typeof local === "function" ? local(backend === undefined ? undefined : String(backend)) : local;
  return machine?.backend === "tensorflow" && workers > 1 ? partOf(machine, workers) : machine;
}

/** What one of so many workers has of TensorFlow's rates, which are those of all cores. */
function partOf(machine: LocalMachine, workers: number): LocalMachine {
  const share = Math.max(1, Math.floor(machine.cores / workers)) / machine.cores;
  const transcendentals = machine.constants?.transcendentals;
  return {
    ...machine,
    matmulFlops: machine.matmulFlops * share,
    ...(transcendentals === undefined
      ? {}
      : { constants: { ...machine.constants, transcendentals: transcendentals * share } }),
  };
}

function machine(local: LocalMachine | undefined, team: Team): Machine {
  const { workers } = team;
  const memory = local?.heapBytes ?? 4 * 1024 ** 3 - 64 * 1024;
  const flops = local?.matmulFlops ?? 20e9;
  const sources = [{ value: "this machine", source: "llmp doctor", date: "" }];
  return {
    team,
    ...(local === undefined ? {} : { local }),
    accelerator: {
      name: local?.backend ?? "wasm",
      aliases: [],
      vendor: "cpu",
      generation: "local",
      peakFlops: { fp32: flops, tf32: flops, bf16: flops, fp16: flops, fp8: flops },
      memoryBytes: memory,
      memoryBandwidth: local?.constants?.memoryBandwidth ?? local?.elementwiseBandwidth ?? 5e9,
      intraBandwidth: 2e9,
      intraKind: "local workers",
      domainSize: workers,
      sources,
    },
    instance: {
      name: "local",
      accelerator: local?.backend ?? "wasm",
      accelerators: workers,
      vcpus: local?.cores ?? defaultCores,
      hostMemoryBytes: local?.memoryBytes ?? 8 * 1024 ** 3,
      networkBandwidth: 2e9,
      efaInterfaces: 0,
      localNvmeBytes: 0,
      sources,
    },
  };
}
