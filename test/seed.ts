// Property tests draw the same inputs in every run, so that a failure in CI is about the change and not about luck.
// New inputs are drawn by whoever looks for bugs: LLMP_SEED=random npm test, or LLMP_SEED=N for one run again.
import fc from "fast-check";

const chosen = process.env.LLMP_SEED ?? "20261124";
if (chosen !== "random") fc.configureGlobal({ seed: Number(chosen) });
