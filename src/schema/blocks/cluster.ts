import { field, list, quantity, record, ref, text, whole, words } from "../../catalog/index.js";
import type { BlockSpec } from "../types.js";

/** Keys that only some emitters read; they reach them by `Cluster.options`. */
export const clusterOptions = [
  field(
    "backend",
    words({
      "tensorflow-gpu": "TensorFlow on CUDA",
      tensorflow: "TensorFlow on the CPU",
      webgpu: "WebGPU",
      wasm: "WebAssembly: always there",
      cpu: "plain JavaScript",
    }),
    "what computes on this machine; unless given, the best there is",
    "wasm",
  ),
  field("queue", text, "job queue of AWS Batch, or local queue of Kueue", '"gpu-queue"'),
  field("namespace", text, "Kubernetes namespace", '"training"'),
  field("partition", text, "Slurm partition", '"p5"'),
  field("account", text, "Slurm account", '"research"'),
  field("service_account", text, "Kubernetes service account", '"trainer"'),
  field("kms_key", text, "key that encrypts volumes and output", '"arn:aws:kms:…"'),
  field("output", text, "where results go", '"s3://bucket/runs/"'),
  field("volume", quantity("bytes"), "size of the training volume", "500GB"),
  field("max_runtime", quantity("seconds"), "longest run of a job", "5 days"),
  field("max_wait", quantity("seconds"), "longest wait for spot capacity, run included", "7 days"),
  field("keep_alive", quantity("seconds"), "how long a warm pool is kept", "30min"),
  field("training_plan", text, "ARN of a SageMaker training plan (capacity blocks)", '"arn:aws:sagemaker:…"'),
  field(
    "fallback",
    list(ref("instance")),
    "SageMaker: machines to take instead, in this order, where the planned one has no capacity",
    "[ml.p5e.48xlarge, ml.p5en.48xlarge]",
  ),
  field(
    "ultraservers",
    list(text),
    "SageMaker: ids of the UltraServers of a training plan that hold the job",
    '["us-0abc"]',
  ),
  field("shared_storage", text, "persistent volume claim or mount that all nodes see", '"fsx-claim"'),
  field("tags", list(text), "`key=value` tags of the job", '["team=nlp"]'),
];

export const cluster: BlockSpec = {
  keyword: "cluster",
  doc: "Machines to train on.",
  since: "0.1",
  named: true,
  fields: [
    field(
      "provider",
      words({
        local: "this machine",
        sagemaker: "SageMaker training jobs",
        hyperpod: "SageMaker HyperPod",
        batch: "AWS Batch",
        kubernetes: "any Kubernetes with a training operator",
        slurm: "any Slurm",
      }),
      "who runs the machines",
      "sagemaker",
      { required: true },
    ),
    field(
      "instance",
      ref("instance"),
      "machine type: SageMaker's or EC2's name, or an `instance` of this file",
      "ml.p5.48xlarge | ml.p5en.48xlarge",
      { decidable: true },
    ),
    field("count", whole(), "machines", "1..32", { decidable: true, default: "1" }),
    field("region", text, "AWS region: prices and addresses", '"us-east-1"'),
    field(
      "pricing",
      words({
        on_demand: "pay by the second",
        spot: "cheaper, may be taken away",
        capacity_block: "reserved for days ahead",
        reserved: "long commitment",
      }),
      "how it is paid",
      "on_demand | spot",
      { decidable: true, default: "on_demand" },
    ),
    field("orchestrator", words({ eks: "Kubernetes", slurm: "Slurm" }), "of HyperPod", "eks"),
    field("storage", text, "where datasets, checkpoints and results live", '"s3://bucket/path"'),
    field("role", text, "execution role", '"arn:aws:iam::111122223333:role/train"'),
    field(
      "image",
      text,
      "container image; unless given, the engine's",
      '"111122223333.dkr.ecr.us-east-1.amazonaws.com/train:1"',
    ),
    field(
      "network",
      record([
        field("subnets", list(text), "subnet ids", '["subnet-0abc"]', { required: true }),
        field("security_groups", list(text), "security group ids", '["sg-0abc"]', { required: true }),
      ]),
      "private network of the job",
      '{ subnets = ["subnet-0abc"], security_groups = ["sg-0abc"] }',
    ),
    field(
      "groups",
      list(
        record([
          field("instance", ref("instance"), "machine type", "ml.p4d.24xlarge", { required: true }),
          field("count", whole(), "machines of that type", "2", { required: true }),
        ]),
      ),
      "SageMaker: machines of several types in one job, planned as `count` of `instance`, the least of them",
      "[{ instance = ml.p4d.24xlarge, count = 2 }, { instance = ml.p4de.24xlarge, count = 2 }]",
    ),
    ...clusterOptions,
  ],
  example:
    'cluster p5 {\n  provider = sagemaker\n  instance = ml.p5.48xlarge\n  count    = 1..32\n  region   = "us-east-1"\n}',
};
