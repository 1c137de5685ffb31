/** Environments are made before the tests start, so that two files never make one at the same time. */
import { ownTemporaryFolder } from "../temporary.js";
import { beside, enginePackages, missing, moto, torchtitan, venv } from "./venv.js";

export default async function setup(): Promise<() => void> {
  await moto();
  const engines = await venv("engines", enginePackages);
  if (missing(engines)) return ownTemporaryFolder();
  for (const version of ["0.2.2", "0.3.0"]) await torchtitan(engines, version);
  await beside(engines, "verl", "0.9.1");
  await beside(engines, "hydra-core", "1.3.2", true);
  return ownTemporaryFolder();
}
