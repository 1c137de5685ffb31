/** The AWS SDK's errors as diagnostics: what to do, and never a credential. */
import { type Diagnostic, emitCodes } from "../../diagnostics/index.js";
import { RunFailure } from "../../runtime/types.js";

/** Shown by the command as a diagnostic; ends it with exit code 3. */
export class RemoteFailure extends RunFailure {}

/** Access keys, session tokens and signatures that a message may quote. */
export const redact = (text: string): string =>
  text
    .replace(/\b(AKIA|ASIA)[A-Z0-9]{12,}\b/g, "$1…")
    .replace(
      /((?:aws_)?(?:secret_access_key|session_token|security_token)|X-Amz-(?:Signature|Security-Token|Credential)|Signature|Credential)(["']?\s*[=:]\s*["']?)[^\s"',&]+/gi,
      "$1$2…",
    );

interface AwsError {
  readonly name?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** Sorts an error of `service.operation` by what the user can do about it. Errors that are not AWS's are rethrown. */
export function awsFailure(error: unknown, service: string, operation: string): RemoteFailure {
  if (error instanceof RemoteFailure) return error;
  const { name = "", message = "", $metadata } = error as AwsError;
  const reason = redact(message).slice(0, 300);
  const make = (diagnostic: Diagnostic): RemoteFailure => new RemoteFailure(diagnostic);
  if (
    name === "CredentialsProviderError" ||
    /Could not load credentials|Resolved credential object is not valid/i.test(message)
  )
    return make(
      emitCodes.report(
        "LLMP5104",
        undefined,
        {},
        {
          hints: [
            "log in (`aws sso login`, `aws configure`), or set AWS_PROFILE",
            "llmp uses the AWS SDK's usual places and stores nothing",
          ],
        },
      ),
    );
  if (/Region is missing|Region not accepted/i.test(message))
    return make(
      emitCodes.report(
        "LLMP5110",
        undefined,
        {},
        { hints: ['add region = "us-east-1" to the cluster block, or set AWS_REGION'] },
      ),
    );
  if (/ExpiredToken|InvalidClientTokenId|UnrecognizedClient|InvalidAccessKeyId|SignatureDoesNotMatch/.test(name))
    return make(
      emitCodes.report(
        "LLMP5104",
        undefined,
        {},
        { hints: [`the credentials found are not valid (${name}): log in again`] },
      ),
    );
  if (name === "ResourceLimitExceeded" || /LimitExceeded|quota/i.test(name) || /service limit|quota/i.test(message))
    return make(
      emitCodes.report(
        "LLMP5105",
        undefined,
        { reason },
        {
          hints: [
            "ask for more in Service Quotas (SageMaker, “for training job usage”)",
            "or plan for fewer instances: --set, or count = 1..N",
          ],
        },
      ),
    );
  if (/Capacity/i.test(name) || /insufficient capacity|CapacityError/i.test(message))
    return make(
      emitCodes.report(
        "LLMP5106",
        undefined,
        { reason },
        {
          hints: ["try another region or instance, pricing = spot with max_wait, or a training plan (capacity block)"],
        },
      ),
    );
  if (/AccessDenied|UnauthorizedOperation|NotAuthorized/i.test(name))
    return make(
      emitCodes.report(
        "LLMP5107",
        undefined,
        { reason },
        { hints: [`the caller needs permission for ${service}:${operation}, and iam:PassRole for the job's role`] },
      ),
    );
  if ($metadata !== undefined || name.endsWith("Exception") || error instanceof SyntaxError)
    return make(emitCodes.report("LLMP5108", undefined, { service, operation, reason: `${name}: ${reason}` }, {}));
  throw error;
}

/** Runs one call and turns its failure into a diagnostic. */
export async function call<T>(service: string, operation: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw awsFailure(error, service, operation);
  }
}
