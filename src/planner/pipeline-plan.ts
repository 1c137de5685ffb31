/** All stages, the budget over them, and what would help where the answer is no. */
import type { Pipeline } from "../checker/pipeline.js";
import { type Diagnostic, type Outcome, planCodes } from "../diagnostics/index.js";
import { type Hardware, mergeHardware } from "../hardware/index.js";
import { formatBytes, formatSeconds, formatUsd } from "../units/index.js";
import { assemble } from "./assemble.js";
import { planHash } from "./canonical.js";
import { relaxations } from "./explain/relaxations.js";
import { type Plan, planSchema, type StagePlan } from "./plan.js";
import { combine, pick } from "./search/budget.js";
import { stageProblem } from "./search/problem.js";
import { type Choice, search } from "./search/solve.js";
import { capacityOf, regionOf } from "./search/terms.js";
import type { Searched, Tools } from "./search/tools.js";
import type { PlanOptions } from "./types.js";

const now = (): number => performance.now() / 1000;

export function planPipeline(
  pipeline: Pipeline,
  base: Hardware,
  tools: Tools,
  options: PlanOptions = {},
): Outcome<Plan> {
  const hardware = mergeHardware(base, pipeline.accelerators, pipeline.instances);
  const diagnostics: Diagnostic[] = [];
  const searched: Searched[] = [];
  for (const stage of pipeline.stages) {
    const { problem, diagnostics: found } = stageProblem(pipeline, stage, hardware, tools.build, options);
    diagnostics.push(...found);
    if (problem === undefined) continue;
    const model = tools.modelFor(problem.configurations[0]!.context);
    const start = now();
    const result = search(problem, model, options.limit);
    searched.push({ problem, result, model, seconds: now() - start });
    if (result.considered === 0 || (result.front.length === 0 && result.smallest === undefined)) {
      const devices = [...new Set(problem.configurations.map((c) => c.devices))].slice(0, 6).join(", ");
      diagnostics.push(
        planCodes.report(
          "LLMP4002",
          stage.span,
          { stage: stage.name, devices },
          {
            hints: [...result.reasons].map(([why]) => why),
          },
        ),
      );
    }
  }
  if (diagnostics.some((d) => d.severity === "error")) return { diagnostics };
  return finish(pipeline, base, tools, options, searched, diagnostics);
}

function finish(
  pipeline: Pipeline,
  base: Hardware,
  tools: Tools,
  options: PlanOptions,
  searched: readonly Searched[],
  diagnostics: Diagnostic[],
): Outcome<Plan> {
  const infeasible = searched.filter((s) => s.result.front.length === 0);
  const picked = pick(combine(searched.map((s) => frontOf(s))), pipeline.budget);
  const { choices, seconds } = picked.combination;
  const stages: StagePlan[] = searched.map((s, i) => assemble({ ...s, choice: choices[i]! }));
  const warnings = searched.flatMap((s) => s.problem.warnings);
  for (const [i, s] of searched.entries()) {
    const { configuration, evaluation, priced, pricing } = choices[i]!;
    const { stage } = s.problem;
    if (infeasible.includes(s)) {
      diagnostics.push(
        planCodes.report("LLMP4101", stage.on.span ?? stage.span, {
          stage: stage.name,
          peak: formatBytes(evaluation.peakBytes),
          capacity: formatBytes(capacityOf(s.problem, configuration)),
        }),
      );
    }
    if (!priced) {
      diagnostics.push(
        planCodes.report(
          "LLMP4108",
          s.problem.cluster.instance.span,
          {
            stage: stage.name,
            instance: configuration.context.instance.name,
            pricing,
            region: regionOf(s.problem),
          },
          {
            hints: [
              "name it with --prices FILE; until then whatever has a price counts as cheaper, and no cost budget is met",
            ],
          },
        ),
      );
    }
    if (!s.result.complete) diagnostics.push(planCodes.report("LLMP4109", stage.span, { stage: stage.name }));
  }
  const unpriced = choices.some((c) => !c.priced);
  const usd = unpriced ? null : stages.reduce((sum, s) => sum + (s.cost.usd ?? 0), 0);
  const { time, cost } = pipeline.budget;
  const late = time !== undefined && seconds > time.value;
  const dear = cost !== undefined && usd !== null && usd > cost.value;
  // What nobody knows cannot be within a limit.
  const unchecked = cost !== undefined && usd === null;
  if (infeasible.length === 0) {
    if (late)
      diagnostics.push(
        planCodes.report("LLMP4107", time.span, { found: formatSeconds(seconds), limit: formatSeconds(time.value) }),
      );
    if (dear)
      diagnostics.push(
        planCodes.report("LLMP4107", cost.span, { found: formatUsd(usd), limit: formatUsd(cost.value) }),
      );
    if (unchecked) {
      const unknown = choices.filter((c) => !c.priced);
      const offers = unknown.map((c) => `${c.configuration.context.instance.name} (${c.pricing})`);
      diagnostics.push(
        planCodes.report(
          "LLMP4110",
          cost.span,
          { limit: formatUsd(cost.value), offers: [...new Set(offers)].join(", ") },
          { hints: ["--prices FILE with their price lets the budget be checked"] },
        ),
      );
    }
  }
  const outcome = infeasible.length > 0 ? "infeasible" : late || dear || unchecked ? "over_budget" : "ok";
  const plan: Omit<Plan, "hash"> = {
    schema: planSchema,
    outcome,
    source: pipeline.file,
    sources: pipeline.sources,
    pipeline,
    stages,
    totals: {
      seconds: stages.reduce((sum, s) => sum + s.time.total_seconds, 0),
      usd,
      interval: {
        seconds: [
          stages.reduce((sum, s) => sum + s.interval.total_seconds[0], 0),
          stages.reduce((sum, s) => sum + s.interval.total_seconds[1], 0),
        ],
        usd: unpriced
          ? null
          : [
              stages.reduce((sum, s) => sum + (s.interval.usd?.[0] ?? 0), 0),
              stages.reduce((sum, s) => sum + (s.interval.usd?.[1] ?? 0), 0),
            ],
      },
    },
    relaxations: outcome === "ok" ? [] : relaxations({ pipeline, hardware: base, tools, options, searched, choices }),
    warnings,
  };
  return { value: { ...plan, hash: planHash(plan) }, diagnostics };
}

/** Where nothing fits, the most nearly fitting layout stands for the stage. */
function frontOf({ problem, result }: Searched): readonly Choice[] {
  if (result.front.length > 0) return result.front;
  const near = result.smallest!;
  return [
    {
      ...near,
      pricing: problem.pricings[0]!,
      stepSeconds: near.evaluation.stepSeconds,
      seconds: near.evaluation.stepSeconds * near.configuration.steps,
      money: 0,
      priced: true,
    },
  ];
}
