/** Trains one stage: steps of micro-batches, update, checkpoints, evaluation. */
import type { Interval, Precision, Stage } from "../../checker/pipeline.js";
import { runCodes } from "../../diagnostics/index.js";
import type { ModelGraph } from "../../model/graph.js";
import type { StagePlan } from "../../planner/plan.js";
import {
  applyUpdate,
  formats,
  type ModelState,
  makeOptimizer,
  makeState,
  type NamedWeight,
  type ObjectiveBatch,
  type OptimizerState,
  objectivePrograms,
  otherState,
  refreshWeights,
  sharesWeights,
  storedWeights,
} from "../../program/index.js";
import type { Backend, Handle } from "../backend/index.js";
import { fail } from "../failure.js";
import type { Batch, BatchSource, CheckpointStore, NamedTensor, TrainingState, WeightStore } from "../interfaces.js";
import type { RunEvent, RunSummary, StepMetrics } from "../types.js";
import { initialValues } from "./initial.js";
import { learningRate } from "./schedule.js";

export interface StageInput {
  readonly graph: ModelGraph;
  readonly stage: Stage;
  readonly plan: Pick<
    StagePlan,
    "name" | "steps" | "context_length" | "global_batch" | "parallel" | "recompute" | "memory" | "time"
  >;
  readonly precision: Pick<Precision, "compute" | "lossScale">;
  readonly backend: Backend;
  readonly source: BatchSource;
  /** Weights to start from; undefined: initialised from the seed. */
  readonly weights?: WeightStore;
  /** The frozen model beside this one: its weights, unless given, are those that this stage starts with. */
  readonly other?: { readonly graph: ModelGraph; readonly weights?: WeightStore };
  /** Turns prompts into sampled and judged answers, where the objective wants them. */
  readonly rollOut?: RollOut;
  readonly checkpoints?: CheckpointStore;
  readonly resume: boolean;
  readonly steps?: number;
  readonly stop?: AbortSignal;
}

/** Samples from the policy: rows to learn from, and figures of them. */
export type RollOut = (
  policy: ModelState<Handle>,
  prompts: Batch,
  step: number,
) => Promise<{ readonly batch: Batch & ObjectiveBatch; readonly figures: Readonly<Record<string, number>> }>;

export type StageSummary = RunSummary["stages"][number];

const due = (every: Interval | undefined, step: number, tokens: number, before: number, since: number): boolean => {
  if (every === undefined) return false;
  if (every.unit === "steps") return step % every.amount === 0;
  if (every.unit === "tokens") return Math.floor(tokens / every.amount) > Math.floor(before / every.amount);
  return since >= every.amount;
};

/** Rows `first`… of a batch. */
export function slice(b: Batch & ObjectiveBatch, first: number, sequences: number): ObjectiveBatch {
  const from = first * b.length;
  const to = from + sequences * b.length;
  return {
    sequences,
    length: b.length,
    tokens: b.tokens.subarray(from, to),
    targets: b.targets.subarray(from, to),
    weights: b.weights.subarray(from, to),
    ...(b.segments === undefined ? {} : { segments: b.segments.subarray(from, to) }),
    ...(b.positions === undefined ? {} : { positions: b.positions.subarray(from, to) }),
    ...(b.advantages === undefined ? {} : { advantages: b.advantages.subarray(first, first + sequences) }),
    ...(b.oldLogProbs === undefined ? {} : { oldLogProbs: b.oldLogProbs.subarray(from, to) }),
  };
}

export async function* trainStage(input: StageInput): AsyncGenerator<RunEvent, StageSummary> {
  const { graph, stage, plan, backend, source } = input;
  const { algebra, meter } = backend;
  const optimizerSettings = stage.optimizer.value;
  const compute = input.precision.compute.value;
  const round = compute === "bf16" ? formats.bf16 : compute === "fp16" ? formats.fp16 : undefined;
  const kind = optimizerSettings.kind === "sgd" ? "sgd" : "adamw";
  const steps = Math.min(plan.steps, input.steps ?? plan.steps);
  const { objective } = stage;
  const program = objectivePrograms[objective.kind]!;
  const rows = program.rows(objective.options);
  const perStep = objective.options.updates?.value;
  const updatesPerStep = typeof perStep === "number" ? perStep : 1;

  const latest = input.resume ? await input.checkpoints?.latest() : undefined;
  const stored = new Map((latest?.tensors ?? []).map((t) => [t.name, t.values]));
  const initial = latest === undefined ? await readWeights(graph, input.weights) : new Map<string, Float32Array>();
  const state: ModelState<Handle> = {
    ...makeState(
      algebra,
      graph,
      plan.context_length,
      (w) => stored.get(`weight/${w.name}`) ?? initial.get(w.name) ?? initialValues(w, stage.seed.value),
    ),
    round,
  };
  const optimizer = makeOptimizer(algebra, state, kind);
  const put = (name: string, tensor: Handle): void => {
    const values = stored.get(name);
    if (values === undefined) return;
    algebra.clear(tensor);
    const from = algebra.floats(values, tensor.shape);
    algebra.addInto(tensor, from);
    algebra.free(from);
  };
  for (const [name, t] of optimizer.m) put(`m/${name}`, t);
  for (const [name, t] of optimizer.v) put(`v/${name}`, t);
  refreshWeights(algebra, state, optimizer);
  const other = await makeOther(input, state);

  const dynamic = input.precision.lossScale.value === "dynamic";
  const fixedScale = input.precision.lossScale.value;
  let lossScale = Number(
    latest?.scalars.lossScale ?? (dynamic ? 65536 : typeof fixedScale === "number" ? fixedScale : 1),
  );
  let goodSteps = Number(latest?.scalars.goodSteps ?? 0);
  let updates = Number(latest?.scalars.updates ?? 0);
  let tokens = latest?.tokens ?? 0;
  const startStep = latest?.step ?? 0;
  const predicted = { peakBytes: plan.memory.peak_bytes, stepSeconds: plan.time.step_seconds };
  yield { kind: "stage", stage: plan.name, backend: backend.name, steps, startStep, predicted };

  const stateNow = (step: number): TrainingState => ({
    step,
    tokens,
    tensors: tensorsOf(backend, state, optimizer),
    scalars: { lossScale, goodSteps, updates },
  });
  let saved = startStep;
  let lastSave = performance.now();
  let peak = 0;
  const times: number[] = [];
  let firstLoss = Number.NaN;
  let finalLoss = Number.NaN;
  let allTokens = 0;
  let stopped = false;

  for (let step = startStep; step < steps && !stopped; step++) {
    const began = performance.now();
    const before = tokens;
    const given = await source.batch(step);
    meter.reset();
    const rolled = await input.rollOut?.(state, given, step);
    const batch: Batch & ObjectiveBatch = rolled?.batch ?? given;
    const total = program.total(batch);
    const lossOf = new Float64Array(batch.sequences);
    const figures = new Map<string, number>();
    const logProbs = new Float32Array(updatesPerStep > 1 ? batch.tokens.length : 0);
    const micro = plan.parallel.micro_batch * rows;
    const lr = learningRate(optimizerSettings, step, plan.steps, plan.global_batch * plan.context_length);
    let norm = 0;
    for (let update = 0; update < updatesPerStep; update++) {
      lossOf.fill(0);
      figures.clear();
      const seen = update === 0 ? batch : { ...batch, oldLogProbs: logProbs };
      for (let first = 0; first < batch.sequences; first += micro) {
        const part = slice(seen, first, Math.min(micro, batch.sequences - first));
        const run = { algebra, policy: state, other, batch: part, options: objective.options };
        const result = program.micro({ ...run, recompute: plan.recompute.layers, scale: lossScale / total });
        result.losses.forEach((l, i) => {
          const row = first + Math.floor(i / batch.length);
          lossOf[row] = lossOf[row]! + l;
        });
        for (const [name, value] of Object.entries(result.sums ?? {}))
          figures.set(name, (figures.get(name) ?? 0) + value / total);
        if (update === 0 && updatesPerStep > 1) logProbs.set(result.logProbs!, first * batch.length);
        // Between micro-batches a signal or a timer gets its turn.
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      norm = applyUpdate(algebra, state, optimizer, {
        lr,
        beta1: optimizerSettings.beta1,
        beta2: optimizerSettings.beta2,
        eps: optimizerSettings.eps,
        weightDecay: optimizerSettings.weightDecay,
        clip: optimizerSettings.clip,
        t: updates + 1,
        lossScale,
      });
      if (!Number.isFinite(norm)) break;
      updates++;
    }
    const loss = lossOf.reduce((a, b) => a + b, 0) / total;
    const scaleNow = lossScale;
    if (Number.isFinite(norm)) {
      if (dynamic && ++goodSteps >= 2000) {
        lossScale *= 2;
        goodSteps = 0;
      }
    } else if (dynamic && lossScale > 1) {
      lossScale /= 2;
      goodSteps = 0;
    }
    if (!Number.isFinite(loss) || (!Number.isFinite(norm) && !(dynamic && scaleNow > 1)))
      fail(
        runCodes.report(
          "LLMP6004",
          undefined,
          { loss: String(loss), step: step + 1, stage: plan.name },
          { hints: ["a lower learning rate, a longer warm-up, or the last checkpoint"] },
        ),
      );
    const count = batch.sequences * batch.length;
    tokens += count;
    allTokens += count;
    const seconds = (performance.now() - began) / 1000;
    times.push(seconds);
    peak = Math.max(peak, meter.peak);
    if (Number.isNaN(firstLoss)) firstLoss = loss;
    finalLoss = loss;
    const metrics: StepMetrics = {
      step: step + 1,
      loss,
      tokens,
      tokens_per_second: count / seconds,
      step_seconds: seconds,
      peak_bytes: meter.peak,
      lr,
      grad_norm: norm,
      ...perDataset(batch, lossOf, source.datasetNames),
      ...extraOf({ ...rolled?.figures, ...Object.fromEntries(figures), ...(dynamic ? { loss_scale: scaleNow } : {}) }),
    };
    yield { kind: "step", stage: plan.name, metrics };
    stopped = input.stop?.aborted === true;
    const done = step + 1;
    if (due(stage.evaluate?.value, done, tokens, before, Number.POSITIVE_INFINITY) || done === steps)
      yield { kind: "evaluate", stage: plan.name, step: done, losses: await evaluate(input, state, other) };
    const since = (performance.now() - lastSave) / 1000;
    if (
      input.checkpoints !== undefined &&
      saved !== done &&
      (stopped || done === steps || due(stage.save?.value, done, tokens, before, since))
    ) {
      const path = await input.checkpoints.save(stateNow(done));
      saved = done;
      lastSave = performance.now();
      yield { kind: "checkpoint", stage: plan.name, step: done, path };
    }
  }
  if (!stopped && input.checkpoints !== undefined) {
    const weights = weightsOf(backend, state, optimizer);
    await input.checkpoints.export(weights, graph);
  }
  if (other !== undefined && other.weights !== state.weights) release(backend, other);
  release(backend, state, optimizer);
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)] ?? 0;
  return {
    name: plan.name,
    backend: backend.name,
    predicted: { peak_bytes: predicted.peakBytes, step_seconds: predicted.stepSeconds },
    measured: {
      peak_bytes: peak,
      step_seconds: median,
      tokens_per_second: median > 0 ? allTokens / times.length / median : 0,
    },
    first_loss: firstLoss,
    final_loss: finalLoss,
    steps: startStep + times.length,
  };
}

async function readWeights(graph: ModelGraph, store: WeightStore | undefined): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name } of store === undefined ? [] : storedWeights(graph)) {
    const tensor = await store?.read(name);
    if (tensor !== undefined) values.set(name, tensor.values);
  }
  return values;
}

/** Reference or teacher, with weights that training does not touch. */
async function makeOther(
  { other, stage, weights, plan, backend: { algebra } }: StageInput,
  policy: ModelState<Handle>,
): Promise<ModelState<Handle> | undefined> {
  if (other === undefined) return undefined;
  const shares = sharesWeights(stage);
  const values = shares ? new Map<string, Float32Array>() : await readWeights(other.graph, other.weights ?? weights);
  const value = (w: NamedWeight): Float32Array => values.get(w.name) ?? initialValues(w, stage.seed.value);
  return otherState(algebra, other.graph, policy, shares, plan.context_length, value);
}

const extraOf = (figures: Readonly<Record<string, number>>): Pick<StepMetrics, "extra"> =>
  Object.keys(figures).length === 0 ? {} : { extra: figures };

/** fp32 weights under their Hugging Face names: the masters where there are any. */
function weightsOf(backend: Backend, state: ModelState<Handle>, optimizer: OptimizerState<Handle>): NamedTensor[] {
  return storedWeights(state.graph).map(({ name, spec }) => ({
    name,
    shape: spec.shape,
    values: backend.algebra.read(optimizer.masters.get(name) ?? state.weights.get(name)!),
  }));
}

function tensorsOf(backend: Backend, state: ModelState<Handle>, optimizer: OptimizerState<Handle>): NamedTensor[] {
  const of = (prefix: string, tensors: ReadonlyMap<string, Handle>): NamedTensor[] =>
    [...tensors].map(([name, t]) => ({ name: prefix + name, shape: t.shape, values: backend.algebra.read(t) }));
  return [
    ...weightsOf(backend, state, optimizer).map((t) => ({ ...t, name: `weight/${t.name}` })),
    ...of("m/", optimizer.m),
    ...of("v/", optimizer.v),
  ];
}

function release({ algebra }: Backend, state: ModelState<Handle>, o?: OptimizerState<Handle>): void {
  for (const tensors of [state.weights, state.gradients, ...(o === undefined ? [] : [o.m, o.v, o.masters])])
    for (const t of tensors.values()) algebra.free(t);
  for (const { cos, sin } of state.rope.values()) {
    algebra.free(cos);
    algebra.free(sin);
  }
}

function perDataset(
  batch: Batch,
  lossOf: Float64Array,
  names: readonly string[],
): { readonly losses?: Readonly<Record<string, number>> } {
  if (batch.datasets === undefined || names.length < 2) return {};
  const sums = new Map<string, [loss: number, weight: number]>();
  for (let row = 0; row < batch.sequences; row++) {
    const name = names[batch.datasets[row]!]!;
    const weights = batch.weights.subarray(row * batch.length, (row + 1) * batch.length);
    const [l, w] = sums.get(name) ?? [0, 0];
    sums.set(name, [l + lossOf[row]!, w + weights.reduce((a, b) => a + b, 0)]);
  }
  return { losses: Object.fromEntries([...sums].map(([name, [l, w]]) => [name, l / Math.max(1, w)])) };
}

/** Mean loss per dataset on what was held out. */
async function evaluate(
  input: StageInput,
  policy: ModelState<Handle>,
  other: ModelState<Handle> | undefined,
): Promise<Record<string, number>> {
  const { algebra } = input.backend;
  const { kind, options } = input.stage.objective;
  const own = objectivePrograms[kind]!;
  if (own.heldOut === "none") return {};
  const program = own.heldOut === "own" ? own : objectivePrograms.pretrain!;
  const micro = input.plan.parallel.micro_batch * program.rows(options);
  const result: Record<string, number> = {};
  for (const [name, batches] of Object.entries(await input.source.holdout(16))) {
    let loss = 0;
    let total = 0;
    for (const batch of batches)
      for (let first = 0; first < batch.sequences; first += micro) {
        const part = slice(batch, first, Math.min(micro, batch.sequences - first));
        const run = { algebra, policy, other, batch: part, options };
        const { losses } = program.micro({ ...run, recompute: [], scale: undefined });
        loss += losses.reduce((a, b) => a + b, 0);
        if (part.weights.some((w) => w !== 0)) total += program.total(part);
      }
    if (total > 0) result[name] = loss / total;
  }
  return result;
}
