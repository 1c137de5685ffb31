import { runCodes } from "../../diagnostics/index.js";
import { fail } from "../failure.js";
import { globRegExp, isGlob } from "./glob.js";
import type { DataFile } from "./types.js";

type Client = import("@aws-sdk/client-s3").S3Client;

/** One client for the process; region, credentials and endpoint come from the SDK's own chain (`AWS_ENDPOINT_URL_S3`…). */
let shared: Promise<{ sdk: typeof import("@aws-sdk/client-s3"); client: Client }> | undefined;

function s3() {
  shared ??= import("@aws-sdk/client-s3").then((sdk) => ({
    sdk,
    client: new sdk.S3Client({
      forcePathStyle: process.env.AWS_ENDPOINT_URL_S3 !== undefined || process.env.AWS_ENDPOINT_URL !== undefined,
      region: process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? "us-east-1",
      maxAttempts: 5,
    }),
  }));
  return shared;
}

/** Objects that `s3://bucket/key`, a prefix ending in `/`, or a glob names, sorted by key. */
export async function s3Files(source: string): Promise<DataFile[]> {
  const match = /^s3:\/\/([^/]+)\/(.*)$/.exec(source);
  if (match === null)
    fail(runCodes.report("LLMP6109", undefined, { path: source, why: "an address is s3://bucket/key" }));
  const [, bucket = "", pattern = ""] = match;
  const glob = isGlob(pattern);
  const prefix = glob ? pattern.slice(0, pattern.search(/[*?[{]/)) : pattern;
  const wanted = glob ? globRegExp(pattern) : undefined;
  const files: DataFile[] = [];
  let token: string | undefined;
  do {
    const { sdk, client } = await s3();
    const page = await guarded(source, () =>
      client.send(
        new sdk.ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      ),
    );
    for (const object of page.Contents ?? []) {
      const key = object.Key ?? "";
      const hit =
        wanted !== undefined ? wanted.test(key) : key === pattern || (pattern.endsWith("/") && !key.endsWith("/"));
      if (hit && key !== "") files.push(s3File(bucket, key, object.Size ?? 0, object.ETag ?? ""));
    }
    token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
  } while (token !== undefined);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function s3File(bucket: string, key: string, size: number, etag: string): DataFile {
  const path = `s3://${bucket}/${key}`;
  /** Parts of 8 MiB: a broken connection costs one part, and memory stays bounded. */
  const part = 8 << 20;
  const range = async (start: number, end: number): Promise<Uint8Array> => {
    const { sdk, client } = await s3();
    return guarded(path, async () => {
      const got = await client.send(
        new sdk.GetObjectCommand({
          Bucket: bucket,
          Key: key,
          Range: `bytes=${start}-${end - 1}`,
          ...(etag === "" ? {} : { IfMatch: etag }),
        }),
      );
      const bytes = (await got.Body?.transformToByteArray()) ?? new Uint8Array();
      if (bytes.length !== end - start) throw new Error(`got ${bytes.length} of ${end - start} bytes`);
      return bytes;
    });
  };
  return {
    path,
    size,
    stamp: etag,
    range,
    stream: async function* () {
      for (let at = 0; at < size; at += part) yield await range(at, Math.min(size, at + part));
    },
  };
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { name, message } = error as Error;
    const hints = /credential/i.test(`${name}${message}`)
      ? ["set AWS credentials, for example with `aws sso login`"]
      : [];
    return fail(runCodes.report("LLMP6109", undefined, { path, why: `${name}: ${message}` }, { hints }));
  }
}
