/** A draft as a `.llmp` file. */
import { type Diagnostic, importCodes } from "../diagnostics/index.js";
import { fromHfConfig, modelBlock, numberText } from "../model/index.js";
import { bundledModel } from "./models.js";
import type { Draft, Entries, ImportHost } from "./types.js";

export const quoted = (text: string): string => JSON.stringify(text);

/** A name of this language, from any text. */
export function identifier(text: string, otherwise: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "");
  if (name === "") return otherwise;
  return /^\d/.test(name) ? `${otherwise}_${name}` : name;
}

const block = (head: string, entries: Entries): string =>
  `${head} {\n${entries.map(([key, value]) => `  ${key} = ${value}`).join("\n")}\n}\n`;

export function writeDraft(draft: Draft, host: ImportHost, path: string, diagnostics: Diagnostic[]): string {
  const assume = (what: string): void => {
    diagnostics.push(importCodes.report("LLMP7005", undefined, { what }));
  };
  const imports = new Set<string>();
  const model = modelText(draft.model, "base", host, path, diagnostics, imports);
  const teacher =
    draft.teacher === undefined
      ? ""
      : modelText({ id: draft.teacher, weights: true }, "teacher", host, path, diagnostics, imports);
  const datasets = draft.datasets.map((d) =>
    block(`dataset ${d.name}`, [
      ...d.entries,
      ...(draft.holdout === undefined ? [] : [["holdout", percent(draft.holdout)] as const]),
    ]),
  );
  const [first] = draft.datasets;
  const mixed = draft.datasets.length > 1;
  const parallel = { ...draft.parallel };
  const degree = (key: string): number => (typeof parallel[key] === "number" ? (parallel[key] as number) : 1);
  const ranks = degree("tensor") * degree("pipeline") * degree("context");
  const stated = host.gpus ?? draft.gpus;
  const gpus = stated ?? ranks * degree("data");
  if (stated === undefined) assume(`${gpus} GPU${gpus === 1 ? "" : "s"} in all (\`--gpus\`)`);
  const data = Math.max(1, Math.floor(gpus / ranks));
  const named = host.instance ?? draft.instance;
  const instance = named ?? (gpus <= 1 ? "ml.p5.4xlarge" : "ml.p5.48xlarge");
  if (named === undefined) assume(`machines of type ${instance} (\`--instance\`)`);
  const hyperpod = draft.provider === "hyperpod";
  if (hyperpod && draft.orchestrator === undefined) assume("a HyperPod cluster under Slurm");
  const sequences = draft.sequences ?? (draft.perRank ?? 1) * data;
  if (draft.micro !== undefined) parallel.micro_batch = draft.micro;
  const { steps, epochs, tokens, samples } = draft.length;
  const length: Entries =
    steps !== undefined
      ? [["steps", numberText(steps)]]
      : tokens !== undefined
        ? [["tokens", `${numberText(tokens)} tokens`]]
        : samples !== undefined
          ? [["steps", String(Math.max(1, Math.round(samples / sequences)))]]
          : [["epochs", String(epochs ?? 1)]];
  const stage: Entries = [
    ["objective", draft.objective],
    ["model", "base"],
    ...(draft.adapter === undefined ? [] : [["adapter", "low_rank"] as const]),
    ["data", mixed ? "blend" : (first?.name ?? "data")],
    ...length,
    ["batch", `${sequences} sequences`],
    ...(draft.context === undefined ? [] : [["context_length", numberText(draft.context, true)] as const]),
    ...(draft.precision === undefined ? [] : [["precision", draft.precision] as const]),
    ...(Object.keys(parallel).length === 0
      ? []
      : [
          [
            "parallel",
            `{ ${Object.entries(parallel)
              .map(([k, v]) => `${k} = ${v}`)
              .join(", ")} }`,
          ] as const,
        ]),
    ...(draft.recompute === undefined ? [] : [["recompute", draft.recompute] as const]),
    ...(draft.optimizer === undefined ? [] : [["optimizer", optimizerOf(draft, diagnostics)] as const]),
    ...(draft.engine === undefined ? [] : [["engine", draft.engine] as const]),
    ["on", "machines"],
    ...(draft.saveSteps === undefined ? [] : [["save", `every ${draft.saveSteps} steps`] as const]),
    ...(draft.evaluateSteps === undefined ? [] : [["evaluate", `every ${draft.evaluateSteps} steps`] as const]),
    ...(draft.seed === undefined ? [] : [["seed", String(draft.seed)] as const]),
    ...(draft.packing === undefined ? [] : [["packing", String(draft.packing)] as const]),
  ];
  const perMachine = gpus <= 1 && named === undefined ? 1 : 8;
  return [
    [...imports].map((name) => `import ${quoted(name)}\n`).join(""),
    ...datasets,
    mixed ? block("mix blend", shares(draft)) : "",
    model,
    teacher,
    draft.adapter === undefined ? "" : block("adapter low_rank", draft.adapter),
    draft.rewards === true ? block("reward right", [["kind", "exact_answer"]]) : "",
    block("cluster machines", [
      ["provider", draft.provider ?? "slurm"],
      ...(hyperpod ? [["orchestrator", draft.orchestrator ?? "slurm"] as const] : []),
      ["instance", instance],
      ["count", String(Math.max(1, Math.ceil(gpus / perMachine)))],
    ]),
    block(`train ${draft.stage}`, stage),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** A share of epochs is a number of steps only once the data's tokens are known: no imported file says them. */
function optimizerOf({ optimizer = "", length }: Draft, diagnostics: Diagnostic[]): string {
  const epochs = [length.steps, length.tokens, length.samples].every((l) => l === undefined);
  const share = epochs ? /warmup = ([\d.]+%)(?:, )?/.exec(optimizer) : null;
  if (share === null) return optimizer;
  const what = `a warm-up of ${share[1]} of the epochs (say the dataset's \`tokens\`, then \`warmup = ${share[1]}\` in the schedule)`;
  diagnostics.push(importCodes.report("LLMP7003", undefined, { what }));
  return optimizer
    .replace(share[0], "")
    .replace(/, \}/, " }")
    .replace(/ \{\s*\}/, "");
}

export const percent = (ratio: number): string => `${Number((100 * ratio).toFixed(4))}%`;

/** Percentages that add up to 100 after rounding: the last takes what is left. */
function shares({ datasets }: Draft): Entries {
  const all = datasets.reduce((sum, d) => sum + (d.weight ?? 1), 0);
  let left = 100;
  return datasets.map((d, i) => {
    const share = i === datasets.length - 1 ? left : Number(((100 * (d.weight ?? 1)) / all).toFixed(2));
    left = Number((left - share).toFixed(2));
    return [d.name, `${share}%`] as const;
  });
}

function modelText(
  model: Draft["model"],
  name: string,
  host: ImportHost,
  path: string,
  diagnostics: Diagnostic[],
  imports: Set<string>,
): string {
  const id = name === "base" ? (host.model ?? model.id) : model.id;
  const weights = model.weights === true && model.id !== undefined ? model.id : undefined;
  if (model.fields !== undefined && (name !== "base" || host.model === undefined))
    return modelBlock(name, { ...model.fields, ...(weights === undefined ? {} : { weights }) });
  const bundled = id === undefined ? undefined : bundledModel(id, host.models);
  if (bundled !== undefined) {
    imports.add(bundled.family);
    return weights === undefined
      ? `model ${name}: ${bundled.name} {}\n`
      : block(`model ${name}: ${bundled.name}`, [["weights", quoted(weights)]]);
  }
  const config = id === undefined ? undefined : host.config(id);
  if (config !== undefined) {
    const read = fromHfConfig(config, `${id}/config.json`);
    diagnostics.push(...read.diagnostics);
    return read.value === undefined
      ? ""
      : modelBlock(name, { ...read.value, ...(weights === undefined ? {} : { weights }) });
  }
  const why = id === undefined ? "the file names none" : `${id} is neither bundled nor a folder with a config.json`;
  diagnostics.push(
    importCodes.report(
      "LLMP7006",
      undefined,
      { path, why },
      {
        hints: [
          "`--model NAME` or `--model FOLDER` says it: a bundled model (`llmp ls models`), or a folder with config.json",
        ],
      },
    ),
  );
  return "";
}
