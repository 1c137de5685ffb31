/** Trains one stage: steps of micro-batches, update, checkpoints, evaluation. */
import type { Interval } from "../../checker/pipeline.js";
import { runCodes } from "../../diagnostics/index.js";
import { noiseOf, type ObjectiveBatch, objectivePrograms, storedWeights } from "../../program/index.js";
import { fail } from "../failure.js";
import { type Batch, lazyTensor, type TrainingState } from "../interfaces.js";
import { measuredOf } from "../metrics/index.js";
import type { RunEvent, StepMetrics } from "../types.js";
import type { Executor, StageInput, StageSummary } from "./executor.js";
import { openHere } from "./here.js";
import { learningRate } from "./schedule.js";
import { readWeights } from "./start.js";

const due = (every: Interval | undefined, step: number, tokens: number, before: number, since: number): boolean => {
  if (every === undefined) return false;
  if (every.unit === "steps") return step % every.amount === 0;
  if (every.unit === "tokens") return Math.floor(tokens / every.amount) > Math.floor(before / every.amount);
  return since >= every.amount;
};

export async function* trainStage(input: StageInput): AsyncGenerator<RunEvent, StageSummary> {
  let latest = input.resume ? await input.checkpoints?.latest() : undefined;
  const start =
    latest === undefined
      ? await readWeights(input.graph, input.weights)
      : new Map(latest.tensors.map((t) => [t.name, t.values]));
  // Frozen weights in 4 bits come from where the stage began: packed a second time they would be others.
  const packed = packedNames(input);
  if (latest !== undefined && packed.size > 0)
    for (const [name, values] of await readWeights(input.graph, input.weights))
      if (packed.has(name)) start.set(name, values);
  const executor = await (input.open ?? openHere)(input, start);
  // They are the executor's now: for a large model a second copy is what does not fit.
  start.clear();
  const since = latest === undefined ? undefined : { ...latest, tensors: [] };
  latest = undefined;
  try {
    return yield* steps(input, executor, since, packed);
  } finally {
    await executor.close();
  }
}

const packedNames = ({ graph }: StageInput): ReadonlySet<string> =>
  new Set(
    storedWeights(graph)
      .filter((w) => w.spec.stored !== undefined)
      .map((w) => `weight/${w.name}`),
  );

async function* steps(
  input: StageInput,
  executor: Executor,
  latest: TrainingState | undefined,
  packed: ReadonlySet<string>,
): AsyncGenerator<RunEvent, StageSummary> {
  const { graph, stage, plan, backend, source } = input;
  const optimizerSettings = stage.optimizer.value;
  const last = Math.min(plan.steps, input.steps ?? plan.steps);
  const { objective } = stage;
  const program = objectivePrograms[objective.kind]!;
  const perStep = objective.options.updates?.value;
  const updatesPerStep = typeof perStep === "number" ? perStep : 1;

  const drops = Object.values(graph.kinds).some((k) => k.ops.some((op) => op.kind === "dropout"));

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
  yield { kind: "stage", stage: plan.name, backend: backend.name, steps: last, startStep, predicted };

  const stateNow = async (step: number): Promise<TrainingState> => ({
    step,
    tokens,
    tensors: (await executor.tensors("all")).filter((t) => !packed.has(t.name)),
    scalars: { lossScale, goodSteps, updates },
  });
  let saved = startStep;
  let lastSave = performance.now();
  const made: StepMetrics[] = [];
  let stopped = false;
  let warned = false;

  for (let step = startStep; step < last && !stopped; step++) {
    const began = performance.now();
    const before = tokens;
    const given = await source.batch(step);
    executor.begin();
    const rolled = await input.rollOut?.((asked) => executor.generate(asked), given, step);
    const batch: Batch & ObjectiveBatch = rolled?.batch ?? given;
    if (rolled?.warning !== undefined && !warned) {
      warned = true;
      yield { kind: "message", level: "warning", text: rolled.warning };
    }
    const total = program.total(batch);
    let lossOf: Float64Array = new Float64Array();
    let figures: Readonly<Record<string, number>> = {};
    let logProbs: Float32Array | undefined;
    const lr = learningRate(optimizerSettings, step, plan.steps, plan.global_batch * plan.context_length);
    let norm = 0;
    for (let update = 0; update < updatesPerStep; update++) {
      const seen = {
        ...batch,
        ...(logProbs === undefined ? {} : { oldLogProbs: logProbs }),
        ...(drops
          ? { noise: noiseOf(stage.seed.value, step * updatesPerStep + update, batch.sequences * batch.length) }
          : {}),
      };
      const swept = await executor.run(seen, lossScale / total);
      lossOf = swept.losses;
      figures = Object.fromEntries([...swept.sums].map(([name, sum]) => [name, sum / total]));
      if (update === 0 && updatesPerStep > 1) logProbs = swept.logProbs!;
      norm = await executor.update({
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
    const seconds = (performance.now() - began) / 1000;
    const metrics: StepMetrics = {
      step: step + 1,
      loss,
      tokens,
      tokens_per_second: count / seconds,
      step_seconds: seconds,
      peak_bytes: executor.peak(),
      lr,
      grad_norm: norm,
      ...perDataset(batch, lossOf, source.datasetNames),
      ...extraOf({ ...rolled?.figures, ...figures, ...(dynamic ? { loss_scale: scaleNow } : {}) }),
    };
    made.push(metrics);
    yield { kind: "step", stage: plan.name, metrics };
    stopped = input.stop?.aborted === true;
    const done = step + 1;
    if (due(stage.evaluate?.value, done, tokens, before, Number.POSITIVE_INFINITY) || done === last)
      yield { kind: "evaluate", stage: plan.name, step: done, losses: await evaluate(input, executor) };
    const since = (performance.now() - lastSave) / 1000;
    if (
      input.checkpoints !== undefined &&
      saved !== done &&
      (stopped || done === last || due(stage.save?.value, done, tokens, before, since))
    ) {
      const path = await input.checkpoints.save(await stateNow(done));
      saved = done;
      lastSave = performance.now();
      yield { kind: "checkpoint", stage: plan.name, step: done, path };
    }
  }
  if (!stopped && input.checkpoints !== undefined) {
    const weights = await executor.tensors("weights");
    await input.checkpoints.export(
      weights.map((t) => lazyTensor(t.name.slice("weight/".length), t.shape, () => t.values)),
      graph,
    );
  }
  return {
    name: plan.name,
    backend: backend.name,
    predicted: { peak_bytes: predicted.peakBytes, step_seconds: predicted.stepSeconds },
    ...measuredOf(made),
    steps: startStep + made.length,
  };
}

const extraOf = (figures: Readonly<Record<string, number>>): Pick<StepMetrics, "extra"> =>
  Object.keys(figures).length === 0 ? {} : { extra: figures };

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
async function evaluate(input: StageInput, executor: Executor): Promise<Record<string, number>> {
  const own = objectivePrograms[input.stage.objective.kind]!;
  if (own.heldOut === "none") return {};
  const measured = own.heldOut === "own" ? input.stage.objective.kind : "pretrain";
  const result: Record<string, number> = {};
  for (const [name, batches] of Object.entries(await input.source.holdout(16))) {
    let loss = 0;
    let total = 0;
    for (const batch of batches) {
      const part = await executor.evaluate(batch, measured);
      loss += part.loss;
      total += part.total;
    }
    if (total > 0) result[name] = loss / total;
  }
  return result;
}
