import { type Diagnostic, emitCodes } from "../../diagnostics/index.js";
import images from "../data/images.json" with { type: "json" };
import { vendorOf } from "./node.js";
import type { StageView } from "./stage.js";

type Kind = "pytorch" | "neuron" | "smp";

const dnsSuffix = (region: string): string => (region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com");

/** Which family of AWS containers the stage needs. */
export function imageKind(view: StageView): Kind {
  if (view.stage.engine === "smp") return "smp";
  return vendorOf(view.plan, view.instance, view.stage.cluster.accelerator) === "aws" ? "neuron" : "pytorch";
}

/** The job runs in a container: its torch is built for its CUDA and EFA, and another one may ask for a newer driver. */
export const hasTorch = ({ cluster }: StageView): boolean =>
  ["sagemaker", "batch", "kubernetes"].includes(cluster.provider.value) || cluster.orchestrator?.value === "eks";

/** The cluster's own image, or AWS's deep-learning container of the region (data/images.json, dated). */
export function containerImage(view: StageView): { readonly image?: string; readonly problem?: Diagnostic } {
  if (view.cluster.image !== undefined) return { image: view.cluster.image.value };
  const kind = imageKind(view);
  const region = view.cluster.region?.value;
  const aws = ["sagemaker", "hyperpod", "batch"].includes(view.cluster.provider.value);
  if (!aws && region === undefined) return { image: kind === "neuron" ? images.public.neuron : images.public.cuda };
  const family = images[kind];
  const account = (family.accounts as Readonly<Record<string, string>>)[region ?? ""];
  if (region === undefined || account === undefined) {
    return {
      problem: emitCodes.report(
        "LLMP5008",
        view.cluster.region?.span,
        { kind, region: region ?? "(none)" },
        {
          hints: [
            `known regions: ${Object.keys(family.accounts).join(", ")}`,
            'or name one: image = "…" in the cluster block',
          ],
        },
      ),
    };
  }
  return { image: `${account}.dkr.ecr.${region}.${dnsSuffix(region)}/${family.repository}:${family.tag}` };
}
