/** SageMaker training jobs: `create-training-job.json` a stage, `create-pipeline.json` over several, `submit.sh`. */
import type { CreateTrainingJobRequest } from "@aws-sdk/client-sagemaker";
import type { Diagnostic } from "../../../diagnostics/index.js";
import { json } from "../../common/quote.js";
import { eachStage, readme } from "../../common/target.js";
import type { Emitter } from "../../types.js";
import { createPipeline } from "./pipeline.js";
import { submitScript } from "./submit-sh.js";
import { trainingJob } from "./training-job.js";

const providers = ["sagemaker"];

export const sagemaker: Emitter = {
  name: "sagemaker",
  doc: "SageMaker training jobs: the exact CreateTrainingJob request; several stages become a Pipeline",
  providers,
  emit: (plan) => {
    const jobs: CreateTrainingJobRequest[] = [];
    const outcome = eachStage(plan, "sagemaker", providers, (stage, all) => {
      const job = trainingJob(stage, all);
      if (job.value === undefined) return { diagnostics: job.diagnostics };
      jobs.push(job.value);
      const single = all.length === 1;
      return {
        value: [
          { path: `${stage.view.folder}create-training-job.json`, text: json(job.value) },
          readme(stage.view, stage.bundle, {
            command: single ? "./submit.sh" : "../submit.sh",
            also: [
              single
                ? "With AWS credentials in the environment it uploads `engine/` and local inputs (looked for from here upwards, or in LLMP_PROJECT, the folder of the `.llmp` file), then creates the job of `create-training-job.json`. A job's name is used once: change `TrainingJobName` to submit again."
                : "It submits all stages as one SageMaker Pipeline; `create-training-job.json` is this stage alone.",
            ],
          }),
        ],
        diagnostics: job.diagnostics,
      };
    });
    if (outcome.value === undefined) return { diagnostics: outcome.diagnostics };
    const region = outcome.stages[0]?.view.cluster.region?.value;
    const files = [
      ...outcome.value,
      { path: "submit.sh", text: submitScript(outcome.stages, region), executable: true },
    ];
    const diagnostics: Diagnostic[] = [...outcome.diagnostics];
    if (outcome.stages.length > 1) {
      const pipeline = createPipeline(outcome.stages, jobs);
      diagnostics.push(...pipeline.diagnostics);
      if (pipeline.value === undefined) return { diagnostics };
      files.push({ path: "create-pipeline.json", text: json(pipeline.value) });
    }
    return { value: files, diagnostics };
  },
};
