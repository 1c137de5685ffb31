/** `submit.ts`: a typed program on the AWS SDK; `train.ts`: the local training program, ejected. Written with ts-morph. */
import { type Diagnostic, emitCodes } from "../../diagnostics/index.js";
import type { Plan } from "../../planner/plan.js";
import { refuse } from "../common/lower.js";
import { json } from "../common/quote.js";
import { type StageView, viewStages } from "../common/stage.js";
import { loweringOf } from "../engines/index.js";
import { batch } from "../targets/batch/index.js";
import { sagemaker } from "../targets/sagemaker/index.js";
import type { EmittedFile, Emitter } from "../types.js";

const providers = ["local", "sagemaker", "batch"];

const versions: Readonly<Record<string, string>> = {
  "@aws-sdk/client-sagemaker": "3.1142.0",
  "@aws-sdk/client-batch": "3.1138.0",
  "@aws-sdk/client-s3": "3.1173.0",
};

const packageJson = (plan: Plan, script: string, packages: readonly string[]): EmittedFile => ({
  path: "package.json",
  text: json({
    name: `llmp-job-${plan.hash.slice(0, 8)}`,
    private: true,
    type: "module",
    scripts: { start: `tsx ${script}` },
    dependencies: Object.fromEntries(packages.map((p) => [p, versions[p] ?? "*"])),
    devDependencies: { "@types/node": "20.19.43", tsx: "4.20.3", typescript: "6.0.3" },
  }),
});

const tsconfig: EmittedFile = {
  path: "tsconfig.json",
  text: json({
    compilerOptions: {
      target: "ES2022",
      module: "NodeNext",
      moduleResolution: "NodeNext",
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ["node"],
    },
  }),
};

const readmeOf = (command: string, lines: readonly string[]): EmittedFile => ({
  path: "README.md",
  text: [
    "# The job as a program",
    "",
    "```sh",
    command,
    "```",
    "",
    ...lines,
    "",
    "Written by llmp; the file is yours to edit.",
    "",
  ].join("\n"),
});

/** `submit.ts` is for SageMaker or Batch; `train.ts` for our own runtime. */
const unsuitedTo = (views: readonly StageView[]): Diagnostic[] =>
  views.flatMap((view) => {
    const { provider, name } = view.cluster;
    if (!providers.includes(provider.value))
      return [
        emitCodes.report(
          "LLMP5005",
          provider.span,
          { target: "typescript", cluster: name, provider: provider.value },
          { hints: [`typescript is for provider = ${providers.join(" | ")}`] },
        ),
      ];
    if (provider.value === "local" && loweringOf(view.stage.engine) !== undefined)
      return [
        refuse(
          view,
          "a TypeScript program",
          "train.ts runs llmp's own runtime",
          "llmp run starts the engine on this machine; llmp emit engine writes its files",
        ),
      ];
    return [];
  });

export const typescript: Emitter = {
  name: "typescript",
  doc: "a typed program: submit.ts on the AWS SDK, or train.ts for this machine",
  providers,
  emit: async (plan, context) => {
    const views = viewStages(plan);
    const unsuited = unsuitedTo(views);
    if (unsuited.length > 0) return { diagnostics: unsuited };
    const provider = views[0]?.cluster.provider.value ?? "local";
    const write = await import("./write.js");
    if (views.every((v) => v.cluster.provider.value === "local")) {
      return {
        value: [
          { path: "train.ts", text: write.trainProgram(plan) },
          { path: "plan.json", text: `${JSON.stringify(plan, null, 2)}\n` },
          packageJson(plan, "train.ts", ["llmp"]),
          tsconfig,
          readmeOf("npm install && npm start", [
            "`train.ts` runs the stages of `plan.json` on this machine with llmp as a library.",
          ]),
        ],
        diagnostics: [],
      };
    }
    const base = provider === "batch" ? batch : sagemaker;
    const outcome = await base.emit(plan, context);
    if (outcome.value === undefined) return outcome;
    const diagnostics: Diagnostic[] = [...outcome.diagnostics];
    const program =
      provider === "batch" ? write.batchProgram(views, outcome.value) : write.sagemakerProgram(views, outcome.value);
    const packages = [
      "@aws-sdk/client-s3",
      provider === "batch" ? "@aws-sdk/client-batch" : "@aws-sdk/client-sagemaker",
    ];
    const kept = outcome.value.filter((f) => /(^|\/)engine\//.test(f.path));
    return {
      value: [
        { path: "submit.ts", text: program },
        packageJson(plan, "submit.ts", packages),
        tsconfig,
        readmeOf("npm install && npm start", [
          "`submit.ts` uploads `engine/` and local inputs, then submits the job(s) and follows them. Credentials and region come from the AWS SDK's usual places.",
          "LLMP_PROJECT names the folder of the `.llmp` file where local data starts (default: the current folder).",
        ]),
        ...kept,
      ],
      diagnostics,
    };
  },
};
