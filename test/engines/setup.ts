/** Environments are made before the tests start, so that two files never make one at the same time. */
import { beside, enginePackages, missing, missingKey, moto, torchtitan, venv } from "./venv.js";

export default async function setup(): Promise<void> {
  const mock = await moto();
  if (missing(mock)) process.env[missingKey("moto")] = mock.reason;
  const engines = await venv("engines", enginePackages);
  if (missing(engines)) {
    process.env[missingKey("engines")] = engines.reason;
    return;
  }
  for (const version of ["0.2.2", "0.3.0"]) await torchtitan(engines, version);
  await beside(engines, "verl", "0.9.1");
  await beside(engines, "hydra-core", "1.3.2", true);
}
