/**
 * Memory and time of a step on our own runtime: the very program that runs (src/program), on shapes. Peak bytes are exact
 * for every backend; seconds come from the machine's measured rates.
 */
import type { ModelGraph } from "../../model/graph.js";
import {
  applyUpdate,
  Decoder,
  type DryRun,
  dryRun,
  isComputed,
  isOptimizer,
  type ModelState,
  makeOptimizer,
  makeState,
  numberOf,
  numericsOf,
  type ObjectiveOptions,
  type ObjectiveProgram,
  objectivePrograms,
  otherState,
  type Rates,
  runMicro,
} from "../../program/index.js";
import type { Candidate, LocalMachine } from "../types.js";

export interface LocalPrediction {
  /** Tensor bytes at the peak of a step. */
  readonly peakBytes: number;
  /** Weights, gradients, optimizer state and tables: alive between steps. */
  readonly restBytes: number;
  readonly stepSeconds: number;
  readonly fits: boolean;
}

export interface LocalOptions {
  /** Compute dtype of the stage's precision. */
  readonly compute?: string;
  /** Of fp8. */
  readonly recipe?: string;
  readonly optimizer?: string;
  readonly packing?: boolean;
  /** Pre-training unless given. */
  readonly objective?: { readonly kind: string; readonly options: ObjectiveOptions };
  /** The frozen model beside the trained one, where the objective has one. */
  readonly other?: ModelGraph;
  /** It is the trained one without its adapter. */
  readonly shares?: boolean;
}

/** What a machine does before it was ever calibrated: WASM on a core of AMD's fourth EPYC (calibrated 2026-11-24). */
export const defaultMachine: LocalMachine = {
  backend: "wasm",
  cores: 2,
  memoryBytes: 8 * 2 ** 30,
  heapBytes: 4_294_901_760,
  matmulFlops: 34e9,
  elementwiseBandwidth: 60e9,
  kernelLaunchSeconds: 5e-6,
  constants: { transcendentals: 2.8e8, attentionFlops: 31e9, loopElements: 5.8e8, memoryBandwidth: 8e9 },
  calibrated: false,
};

/** The same machine on another backend; native ones use all cores and all memory but what the process itself takes. */
export function uncalibrated(backend: LocalMachine["backend"], cores: number, memoryBytes: number): LocalMachine {
  if (backend === "wasm") return { ...defaultMachine, cores, memoryBytes };
  const base = { backend, cores, memoryBytes, heapBytes: Math.max(0, memoryBytes - 2 ** 30), calibrated: false };
  const rates = (flops: number, bandwidth: number, launch: number, transcendentals: number): LocalMachine => ({
    ...base,
    matmulFlops: flops,
    elementwiseBandwidth: bandwidth,
    kernelLaunchSeconds: launch,
    constants: { transcendentals, loopElements: 1e8, memoryBandwidth: 8e9 },
  });
  switch (backend) {
    case "tensorflow":
      // One thread of the same core: 70, 32, 0.8; threads share the rest with each other.
      return rates(70e9 * cores, 30e9, 30e-6, 8e8 * cores);
    case "tensorflow-gpu":
      return rates(20e12, 500e9, 15e-6, 1e11);
    case "webgpu":
      return rates(1e12, 100e9, 50e-6, 1e10);
    case "cpu":
      return rates(1.2e9, 1.5e9, 2e-6, 5e7);
  }
}

export const ratesOf = ({
  matmulFlops,
  elementwiseBandwidth,
  kernelLaunchSeconds,
  constants,
}: LocalMachine): Rates => ({
  matmulFlops,
  elementwiseBandwidth,
  launchSeconds: kernelLaunchSeconds,
  transcendentals: constants?.transcendentals ?? 4e8,
  ...(constants?.attentionFlops === undefined ? {} : { attentionFlops: constants.attentionFlops }),
  ...(constants?.loopElements === undefined ? {} : { loopElements: constants.loopElements }),
});

export const none = { lr: 0, beta1: 0, beta2: 0, eps: 1, weightDecay: 0, clip: 1, t: 1, lossScale: 1 };

export function predictLocal(
  graph: ModelGraph,
  candidate: Pick<Candidate, "parallel" | "contextLength" | "recompute">,
  machine: LocalMachine = defaultMachine,
  options: LocalOptions = {},
): LocalPrediction {
  const objective = options.objective ?? { kind: "pretrain", options: {} };
  const program = objectivePrograms[objective.kind];
  const runs = [graph, ...(options.other === undefined ? [] : [options.other])].every(runsHere);
  if (program === undefined || !runs) return roughly(graph, candidate, machine);
  const dry = dryRun(machine.backend, ratesOf(machine));
  const { algebra } = dry;
  const numerics = numericsOf(options.compute ?? "fp32", options.recipe ?? "");
  const empty = new Float32Array(0);
  const state = { ...makeState(algebra, graph, candidate.contextLength, () => empty), ...numerics };
  const named = options.optimizer ?? "adamw";
  const kind = isOptimizer(named) ? named : "adamw";
  const optimizer = makeOptimizer(algebra, state, kind);
  const length = candidate.contextLength;
  const other =
    options.other === undefined
      ? undefined
      : otherState(algebra, options.other, state, options.shares === true, length, () => empty);
  const { micro_batch, accumulation } = candidate.parallel;
  const sequences = micro_batch * program.rows(objective.options);
  const batch = blankBatch(program, sequences, length, options.packing === true);
  const { recompute } = candidate;
  const micro = (): void => {
    runMicro(program, { algebra, policy: state, other, batch, recompute, scale: 1, options: objective.options });
  };
  // Zeros take no memory on composed backends, so only a step that finds the optimizer's state is like all that follow.
  if (machine.backend !== "wasm") {
    micro();
    applyUpdate(algebra, state, optimizer, none);
    dry.reset();
  }
  const restBytes = dry.bytes();
  let last = dry.seconds();
  const since = (): number => {
    const from = last;
    last = dry.seconds();
    return last - from;
  };
  const more = program.samples === true ? generate(dry, state, sequences, length, objective.options) : 0;
  const generating = since() + more;
  // Micro-batches but the first are alike: the second is measured, and counts as often as there are.
  micro();
  const first = since();
  if (accumulation > 1 && machine.backend !== "wasm") micro();
  const next = accumulation > 1 && machine.backend !== "wasm" ? since() : first;
  applyUpdate(algebra, state, optimizer, none);
  const stepSeconds = first + next * (accumulation - 1) + generating * accumulation + since();
  return { peakBytes: dry.peak(), restBytes, stepSeconds, fits: dry.peak() <= machine.heapBytes };
}

/** A micro-batch whose values nobody reads. */
export function blankBatch(program: ObjectiveProgram, sequences: number, length: number, packed: boolean) {
  const ids = new Int32Array(sequences * length);
  return {
    sequences,
    length,
    tokens: ids,
    targets: ids,
    weights: new Float32Array(sequences * length),
    positions: ids,
    ...(packed ? { segments: ids } : {}),
    ...(program.dropout === true ? { noise: { key: 0, rows: ids } } : {}),
  };
}

/** Longest prompts and answers: memory at the last token. Gives the seconds that the tokens in between take besides. */
export function generate(
  { algebra, seconds }: DryRun,
  state: ModelState<object>,
  sequences: number,
  length: number,
  options: ObjectiveOptions,
): number {
  const answer = Math.min(numberOf(options, "maxCompletion", 512), length - 1);
  const decoder = new Decoder(algebra, state, sequences);
  algebra.free(decoder.step(new Int32Array(sequences * Math.max(1, length - answer))));
  const step = (): number => {
    const before = seconds();
    algebra.free(decoder.step(new Int32Array(sequences)));
    return seconds() - before;
  };
  // The first and the last of them; those between take the mean of both.
  const between = answer - 3;
  let more = 0;
  if (between <= 0) for (let i = 1; i < answer; i++) step();
  else {
    const first = step();
    const skipping = seconds();
    decoder.skip(between);
    more = skipping - seconds();
    more += (between * (first + step())) / 2;
  }
  decoder.free();
  return more;
}

export const runsHere = (graph: ModelGraph): boolean =>
  Object.values(graph.kinds).every((kind) => kind.ops.every(isComputed));

/** Models with ops that the runtime lacks (it refuses to train them) still get a figure: states, and FLOPs by rate. */
function roughly(
  graph: ModelGraph,
  { parallel, contextLength }: Pick<Candidate, "parallel" | "contextLength">,
  machine: LocalMachine,
): LocalPrediction {
  const restBytes = 4 * (graph.parameters + 3 * graph.trainableParameters);
  const tokens = parallel.micro_batch * contextLength;
  const peakBytes = restBytes + 4 * tokens * (graph.stack.length * 16 * graph.hidden + graph.vocab);
  const stepSeconds = (6 * graph.activeParameters * tokens * parallel.accumulation) / machine.matmulFlops;
  return { peakBytes, restBytes, stepSeconds, fits: peakBytes <= machine.heapBytes };
}
