/** SageMaker and HyperPod call machines `ml.…`; everyone else uses EC2's names. */
import { modelCodes } from "../../diagnostics/index.js";
import { options } from "./decide.js";
import type { Rule } from "./rule.js";

export const instancesRule: Rule = (draft, context) => {
  for (const { provider, instance } of Object.values(draft.clusters)) {
    const kind = provider.value;
    const managed = kind === "sagemaker" || kind === "hyperpod";
    if (!managed && kind !== "batch") continue;
    for (const name of options(instance.value) ?? []) {
      const ml = name.startsWith("ml.");
      if (managed === ml || draft.instances[name] !== undefined || name === "local") continue;
      const right = managed ? `ml.${name}` : name.slice(3);
      const { span } = instance;
      context.report(
        modelCodes.report(
          "LLMP3041",
          span,
          { provider: kind, instance: name },
          {
            hints: [`there it is called \`${right}\``],
            fixes:
              span !== undefined && instance.value.kind === "fixed"
                ? [{ title: `Change to \`${right}\``, edits: [{ span, text: right }], safe: true }]
                : [],
          },
        ),
      );
    }
  }
};
