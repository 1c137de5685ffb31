export type RequestName =
  | "CreateTrainingJob"
  | "CreatePipeline"
  | "CreateCluster"
  | "RegisterJobDefinition"
  | "SubmitJob"
  | "SubmitServiceJob"
  | "CreateServiceEnvironment"
  | "CreateJobQueue";

export interface Problem {
  readonly path: string;
  readonly problem: string;
}
