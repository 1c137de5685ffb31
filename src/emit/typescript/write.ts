/** Programs as ts-morph source files: declarations by structure, formatted by the TypeScript language service. */
import { Project, QuoteKind, type SourceFile, VariableDeclarationKind } from "ts-morph";
import type { Plan } from "../../planner/plan.js";
import { type Input, inputs } from "../common/entry.js";
import type { StageView } from "../common/stage.js";
import { ascii } from "../common/yaml.js";
import { configUri, uploadedUri } from "../targets/sagemaker/training-job.js";
import type { EmittedFile } from "../types.js";

const identifier = /^[A-Za-z_$][\w$]*$/;

/** A value as TypeScript source: plain keys, double quotes. */
export function literal(value: unknown, indent = ""): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    const inner = `${indent}  `;
    return `[\n${value.map((v) => `${inner}${literal(v, inner)}`).join(",\n")},\n${indent}]`;
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    if (entries.length === 0) return "{}";
    const inner = `${indent}  `;
    return `{\n${entries.map(([k, v]) => `${inner}${identifier.test(k) ? k : ascii(k)}: ${literal(v, inner)}`).join(",\n")},\n${indent}}`;
  }
  return typeof value === "string" ? ascii(value) : String(value);
}

function create(path: string, comment: string): SourceFile {
  const project = new Project({
    useInMemoryFileSystem: true,
    skipLoadingLibFiles: true,
    manipulationSettings: { quoteKind: QuoteKind.Double, useTrailingCommas: true },
  });
  const file = project.createSourceFile(path);
  file.addStatements(`/** ${comment} Written by llmp. */`);
  return file;
}

function finish(file: SourceFile): string {
  file.formatText({ indentSize: 2, convertTabsToSpaces: true });
  return `${file.getFullText().trimEnd()}\n`;
}

const constant = (file: SourceFile, name: string, type: string | undefined, initializer: string): void => {
  file.addVariableStatement({
    declarationKind: VariableDeclarationKind.Const,
    declarations: [{ name, ...(type === undefined ? {} : { type }), initializer }],
  });
};

const parse = (files: readonly EmittedFile[], path: string): unknown => {
  const file = files.find((f) => f.path === path);
  if (file === undefined) throw new Error(`no ${path}`);
  return JSON.parse(file.text) as unknown;
};

/** What a stage uploads: its engine folder, and inputs from this machine. */
function uploadList(
  views: readonly StageView[],
): { readonly folder: string; readonly uri: string; readonly project: boolean }[] {
  return views.flatMap((view) => [
    { folder: `${view.folder}engine`, uri: configUri(view), project: false },
    ...inputs(view)
      .filter((i: Input) => i.kind === "local")
      .map((i) => ({ folder: i.from, uri: uploadedUri(view, i), project: true })),
  ]);
}

function addUpload(file: SourceFile, views: readonly StageView[]): void {
  constant(file, "uploads", "{ folder: string; uri: string; project: boolean }[]", literal(uploadList(views)));
  file.addFunction({
    isAsync: true,
    name: "upload",
    parameters: [
      { name: "s3", type: "S3Client" },
      { name: "folder", type: "string" },
      { name: "uri", type: "string" },
    ],
    returnType: "Promise<void>",
    docs: ["Puts every file of a folder under an `s3://` prefix."],
    statements: [
      'const [, bucket = "", prefix = ""] = /^s3:\\/\\/([^/]+)\\/(.*)$/.exec(uri) ?? [];',
      "for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {",
      "  if (!entry.isFile()) continue;",
      "  const path = join(entry.parentPath, entry.name);",
      '  const key = prefix + relative(folder, path).split(sep).join("/");',
      "  await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: createReadStream(path), ContentLength: (await stat(path)).size }));",
      "}",
    ],
  });
}

const nodeImports = (file: SourceFile): void => {
  file.addImportDeclaration({ moduleSpecifier: "node:fs", namedImports: ["createReadStream"] });
  file.addImportDeclaration({ moduleSpecifier: "node:fs/promises", namedImports: ["readdir", "stat"] });
  file.addImportDeclaration({ moduleSpecifier: "node:path", namedImports: ["dirname", "join", "relative", "sep"] });
  file.addImportDeclaration({ moduleSpecifier: "node:url", namedImports: ["fileURLToPath"] });
  file.addImportDeclaration({ moduleSpecifier: "@aws-sdk/client-s3", namedImports: ["PutObjectCommand", "S3Client"] });
};

const uploadStatements = [
  "const here = dirname(fileURLToPath(import.meta.url));",
  "const project = process.env.LLMP_PROJECT ?? process.cwd();",
  "const s3 = new S3Client(region);",
  "for (const { folder, uri, project: local } of uploads) {",
  "  console.log(`uploading ${folder}`);",
  "  await upload(s3, join(local ? project : here, folder), uri);",
  "}",
];

const regionOf = (views: readonly StageView[]): string =>
  literal(views[0]?.cluster.region === undefined ? {} : { region: views[0].cluster.region.value });

export function sagemakerProgram(views: readonly StageView[], files: readonly EmittedFile[]): string {
  const file = create("submit.ts", "Submits this training to SageMaker and follows it.");
  const pipeline = views.length > 1;
  nodeImports(file);
  file.addImportDeclaration({
    moduleSpecifier: "@aws-sdk/client-sagemaker",
    namedImports: pipeline
      ? [
          "CreatePipelineCommand",
          "DescribePipelineExecutionCommand",
          "SageMakerClient",
          "StartPipelineExecutionCommand",
          { name: "CreatePipelineCommandInput", isTypeOnly: true },
        ]
      : [
          "CreateTrainingJobCommand",
          "DescribeTrainingJobCommand",
          "SageMakerClient",
          { name: "CreateTrainingJobCommandInput", isTypeOnly: true },
        ],
  });
  constant(file, "region", "{ region?: string }", regionOf(views));
  if (pipeline) {
    const request = parse(files, "create-pipeline.json") as { PipelineDefinition: string };
    constant(file, "definition", undefined, literal(JSON.parse(request.PipelineDefinition)));
    const { PipelineDefinition: _, ...rest } = request;
    constant(
      file,
      "request",
      "CreatePipelineCommandInput",
      `{ ...${literal(rest)}, PipelineDefinition: JSON.stringify(definition) }`,
    );
  } else {
    constant(file, "request", "CreateTrainingJobCommandInput", literal(parse(files, "create-training-job.json")));
  }
  addUpload(file, views);
  const follow = pipeline
    ? [
        "await client.send(new CreatePipelineCommand(request));",
        "const { PipelineExecutionArn } = await client.send(new StartPipelineExecutionCommand({ PipelineName: request.PipelineName }));",
        "console.log(`started ${PipelineExecutionArn}`);",
        "for (;;) {",
        "  const { PipelineExecutionStatus, FailureReason } = await client.send(new DescribePipelineExecutionCommand({ PipelineExecutionArn }));",
        "  console.log(PipelineExecutionStatus);",
        '  if (PipelineExecutionStatus === "Succeeded") return;',
        '  if (PipelineExecutionStatus === "Failed" || PipelineExecutionStatus === "Stopped") throw new Error(FailureReason ?? PipelineExecutionStatus);',
        "  await new Promise((resolve) => setTimeout(resolve, 60_000));",
        "}",
      ]
    : [
        "const { TrainingJobArn } = await client.send(new CreateTrainingJobCommand(request));",
        "console.log(`created ${TrainingJobArn}`);",
        "for (;;) {",
        "  const { TrainingJobStatus, SecondaryStatus, FailureReason } = await client.send(new DescribeTrainingJobCommand({ TrainingJobName: request.TrainingJobName }));",
        "  console.log(`${TrainingJobStatus}: ${SecondaryStatus}`);",
        '  if (TrainingJobStatus === "Completed") return;',
        '  if (TrainingJobStatus === "Failed" || TrainingJobStatus === "Stopped") throw new Error(FailureReason ?? TrainingJobStatus);',
        "  await new Promise((resolve) => setTimeout(resolve, 60_000));",
        "}",
      ];
  file.addFunction({
    isAsync: true,
    name: "main",
    returnType: "Promise<void>",
    statements: [...uploadStatements, "const client = new SageMakerClient(region);", ...follow],
  });
  file.addStatements("await main();");
  return finish(file);
}

export function batchProgram(views: readonly StageView[], files: readonly EmittedFile[]): string {
  const file = create("submit.ts", "Submits this training to AWS Batch and follows it.");
  nodeImports(file);
  file.addImportDeclaration({
    moduleSpecifier: "@aws-sdk/client-batch",
    namedImports: [
      "BatchClient",
      "DescribeJobsCommand",
      "RegisterJobDefinitionCommand",
      "SubmitJobCommand",
      { name: "RegisterJobDefinitionCommandInput", isTypeOnly: true },
      { name: "SubmitJobCommandInput", isTypeOnly: true },
    ],
  });
  constant(file, "region", "{ region?: string }", regionOf(views));
  const stages = views.map((view) => ({
    name: view.stage.name,
    after: views.find((v) => v.stage.name === view.spec.startsFrom)?.stage.name,
    definition: parse(files, `${view.folder}register-job-definition.json`),
    job: parse(files, `${view.folder}submit-job.json`),
  }));
  constant(
    file,
    "stages",
    "{ name: string; after?: string; definition: RegisterJobDefinitionCommandInput; job: SubmitJobCommandInput }[]",
    literal(stages),
  );
  addUpload(file, views);
  file.addFunction({
    isAsync: true,
    name: "main",
    returnType: "Promise<void>",
    statements: [
      ...uploadStatements,
      "const client = new BatchClient(region);",
      "const ids = new Map<string, string>();",
      "for (const stage of stages) {",
      "  await client.send(new RegisterJobDefinitionCommand(stage.definition));",
      "  const before = stage.after === undefined ? undefined : ids.get(stage.after);",
      "  const dependsOn = before === undefined ? undefined : [{ jobId: before }];",
      "  const { jobId } = await client.send(new SubmitJobCommand({ ...stage.job, dependsOn }));",
      "  if (jobId === undefined) throw new Error(`no job for stage ${stage.name}`);",
      "  ids.set(stage.name, jobId);",
      "  console.log(`${stage.name}: job ${jobId}`);",
      "}",
      "for (;;) {",
      "  const { jobs = [] } = await client.send(new DescribeJobsCommand({ jobs: [...ids.values()] }));",
      '  console.log(jobs.map((job) => `${job.jobName} ${job.status}`).join(", "));',
      '  const failed = jobs.find((job) => job.status === "FAILED");',
      "  if (failed !== undefined) throw new Error(`${failed.jobName}: ${failed.statusReason}`);",
      '  if (jobs.length > 0 && jobs.every((job) => job.status === "SUCCEEDED")) return;',
      "  await new Promise((resolve) => setTimeout(resolve, 60_000));",
      "}",
    ],
  });
  file.addStatements("await main();");
  return finish(file);
}

export function trainProgram(plan: Plan): string {
  const file = create(
    "train.ts",
    `Trains ${plan.stages.map((s) => s.name).join(", ")} on this machine.`.replace(/\*\//g, ""),
  );
  file.addImportDeclaration({ moduleSpecifier: "node:fs/promises", namedImports: ["readFile"] });
  file.addImportDeclaration({ moduleSpecifier: "node:path", namedImports: ["join"] });
  file.addImportDeclaration({ moduleSpecifier: "llmp", namedImports: ["run", { name: "Plan", isTypeOnly: true }] });
  constant(
    file,
    "plan",
    undefined,
    'JSON.parse(await readFile(new URL("plan.json", import.meta.url), "utf8")) as Plan',
  );
  file.addStatements([
    "const root = process.env.LLMP_PROJECT ?? process.cwd();",
    `for await (const event of run(plan, { root, folder: join(root, "runs", ${ascii(plan.stages.at(-1)?.name ?? "run")}) })) {`,
    '  if (event.kind === "stage") console.log(`stage ${event.stage}: ${event.steps} steps on ${event.backend}`);',
    '  if (event.kind === "step") console.log(`${event.stage} ${event.metrics.step}: loss ${event.metrics.loss.toFixed(4)}, ${event.metrics.tokens_per_second.toFixed(0)} tokens/s`);',
    '  if (event.kind === "message") console.log(event.text);',
    '  if (event.kind === "done") console.log(JSON.stringify(event.summary, null, 2));',
    "}",
  ]);
  return finish(file);
}
