/** The `config.json` that we write is the model that `transformers` builds from it: every family of std/. */
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { families } from "../../src/checker/index.js";
import { buildGraph, hfConfigText, toHfConfig } from "../../src/model/index.js";
import { checkFile } from "../checker/helpers.js";
import { enginePackages, missing, venv } from "./venv.js";

const env = await venv("engines", enginePackages);
if (missing(env)) console.warn(`config.json is not tested: ${env.reason}`);

interface Built {
  readonly model: string;
  readonly parameters: number;
  readonly rope: Readonly<Record<string, unknown>> | null;
  readonly layers: readonly string[] | null;
  readonly window: number | null;
}

describe.skipIf(missing(env))("transformers", { timeout: 120_000 }, () => {
  it("builds every bundled model from our config.json: classes, parameters, rotary scaling, windows", async () => {
    const specs = Object.fromEntries(
      families.flatMap((family) => Object.entries(checkFile(`std/${family}.llmp`).value?.models ?? {})),
    );
    const input = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, toHfConfig(spec)]));
    const { stdout } = await execa(missing(env) ? "" : env.python, [join(import.meta.dirname, "hf_config.py")], {
      input: hfConfigText(input),
      env: { HF_HUB_OFFLINE: "1" },
    });
    const built = JSON.parse(stdout) as Record<string, Built>;
    for (const [name, spec] of Object.entries(specs)) {
      const got = built[name] as Built;
      expect([got.model], name).toEqual(input[name]?.architectures);
      // DeepSeek V3's router bias is a buffer in the state, and counted here and there.
      expect(got.parameters, name).toBe(buildGraph(spec).parameters);
      const rope = (got.rope?.full_attention ?? got.rope) as Record<string, unknown> | null;
      if (spec.position.value === "rope") expect(rope?.rope_theta, name).toBe(spec.ropeTheta.value);
      if (spec.position.value === "rope") expect(rope?.rope_type, name).toBe(spec.ropeScaling?.value.kind ?? "default");
      if (spec.ropeScaling !== undefined) expect(rope?.factor, name).toBe(spec.ropeScaling.value.factor);
      if (spec.slidingRopeTheta !== undefined)
        expect(got.rope?.sliding_attention).toMatchObject({ rope_theta: spec.slidingRopeTheta.value });
      expect(got.window, name).toBe(spec.slidingWindow?.value ?? null);
    }
  });
});
