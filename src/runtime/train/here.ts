/** Steps of a stage in this thread, on whichever backend. */
import {
  type Algebra,
  applyUpdate,
  freeState,
  isOptimizer,
  type ModelState,
  makeOptimizer,
  makeState,
  type NamedWeight,
  numericsOf,
  type ObjectiveBatch,
  objectivePrograms,
  otherState,
  refreshWeights,
  runMicro,
  sharesWeights,
  storedWeights,
  weightValues,
} from "../../program/index.js";
import { type Handle, startBackend } from "../backend/index.js";
import { type Batch, lazyTensor, type NamedTensor } from "../interfaces.js";
import { type OpenExecutor, type StageInput, slice } from "./executor.js";
import { answersOf } from "./generate.js";
import { initialValues } from "./initial.js";
import { readWeights } from "./start.js";

export const openHere: OpenExecutor = async (input, start) => {
  const { graph, stage, plan } = input;
  const backend = await startBackend(input.backend.name);
  const { algebra, meter } = backend;
  const { compute, recipe } = input.precision;
  const named = stage.optimizer.value.kind;
  const kind = isOptimizer(named) ? named : "adamw";
  const { options } = stage.objective;
  const program = objectivePrograms[stage.objective.kind]!;
  const state: ModelState<Handle> = {
    ...makeState(
      algebra,
      graph,
      plan.context_length,
      (w) => start.get(`weight/${w.name}`) ?? initialValues(w, stage.seed.value),
    ),
    ...numericsOf(compute.value, recipe?.value ?? ""),
  };
  const optimizer = makeOptimizer(algebra, state, kind);
  const put = (name: string, tensor: Handle): void => {
    const values = start.get(name);
    if (values === undefined) return;
    algebra.clear(tensor);
    const from = algebra.floats(values, tensor.shape);
    algebra.addInto(tensor, from);
    algebra.free(from);
  };
  for (const [name, t] of optimizer.m) put(`m/${name}`, t);
  for (const [name, t] of optimizer.v) put(`v/${name}`, t);
  for (const [name, values] of start)
    if (name.startsWith("fp8/")) state.scaling?.restore(name.slice("fp8/".length), values);
  refreshWeights(algebra, state, optimizer);
  const other = await makeOther(input, state, algebra);

  const read = (prefix: string, tensors: ReadonlyMap<string, Handle>): NamedTensor[] =>
    [...tensors].map(([name, t]) => lazyTensor(prefix + name, t.shape, () => algebra.read(t)));

  return {
    generate: async (asked) => answersOf(backend, state, asked),
    async run(batch: Batch & ObjectiveBatch, scale: number) {
      const losses = new Float64Array(batch.sequences);
      const sums = new Map<string, number>();
      let logProbs: Float32Array | undefined;
      const micro = plan.parallel.micro_batch * program.rows(options);
      for (let first = 0; first < batch.sequences; first += micro) {
        const part = slice(batch, first, Math.min(micro, batch.sequences - first));
        const recompute = plan.recompute.layers;
        const result = runMicro(program, { algebra, policy: state, other, batch: part, options, recompute, scale });
        result.losses.forEach((l, i) => {
          const row = first + Math.floor(i / batch.length);
          losses[row] = losses[row]! + l;
        });
        for (const [name, value] of Object.entries(result.sums ?? {})) sums.set(name, (sums.get(name) ?? 0) + value);
        if (result.logProbs !== undefined) {
          logProbs ??= new Float32Array(batch.tokens.length);
          logProbs.set(result.logProbs, first * batch.length);
        }
        // Between micro-batches a signal or a timer gets its turn.
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      return { losses, sums, ...(logProbs === undefined ? {} : { logProbs }) };
    },
    update: async (u) => applyUpdate(algebra, state, optimizer, u),
    async evaluate(batch, objective) {
      const held = objectivePrograms[objective]!;
      let loss = 0;
      let total = 0;
      const micro = plan.parallel.micro_batch * held.rows(options);
      for (let first = 0; first < batch.sequences; first += micro) {
        const part = slice(batch, first, Math.min(micro, batch.sequences - first));
        const beside = held === program ? other : undefined;
        const run = { algebra, policy: state, other: beside, batch: part, options, recompute: [], scale: undefined };
        loss += runMicro(held, run).losses.reduce((a, b) => a + b, 0);
        if (part.weights.some((w) => w !== 0)) total += held.total(part);
      }
      return { loss, total };
    },
    tensors: async (which) => [
      // fp32: the masters where there are any.
      ...storedWeights(graph).map(({ name, spec }) =>
        lazyTensor(`weight/${name}`, spec.shape, () => {
          const master = optimizer.masters.get(name);
          return master === undefined ? weightValues(algebra, state, name) : algebra.read(master);
        }),
      ),
      ...(which === "all" ? [...read("m/", optimizer.m), ...read("v/", optimizer.v), ...scales(state)] : []),
    ],
    begin: () => meter.reset(),
    peak: () => meter.peak,
    async close() {
      if (other !== undefined && other.weights !== state.weights) freeState(algebra, other);
      freeState(algebra, state);
      for (const tensors of [optimizer.m, optimizer.v, optimizer.masters])
        for (const t of tensors.values()) algebra.free(t);
    },
  };
};

/** Of delayed fp8. */
const scales = ({ scaling }: ModelState<Handle>): NamedTensor[] =>
  [...(scaling?.state() ?? [])].map(([name, values]) => ({ name: `fp8/${name}`, shape: [values.length], values }));

/** Reference or teacher, with weights that training does not touch. */
async function makeOther(
  { other, stage, weights, plan }: StageInput,
  policy: ModelState<Handle>,
  algebra: Algebra<Handle>,
): Promise<ModelState<Handle> | undefined> {
  if (other === undefined) return undefined;
  const shares = sharesWeights(stage);
  const values = shares ? new Map<string, Float32Array>() : await readWeights(other.graph, other.weights ?? weights);
  const value = (w: NamedWeight): Float32Array => values.get(`weight/${w.name}`) ?? initialValues(w, stage.seed.value);
  return otherState(algebra, other.graph, policy, shares, plan.context_length, value);
}
