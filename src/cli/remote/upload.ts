/** Folders to S3. */
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import { call } from "./errors.js";

export interface Upload {
  readonly uri: string;
  readonly bytes: number;
  /** A file of this machine, or a text. */
  readonly from: { readonly path: string } | { readonly text: string };
}

export function split(uri: string): { readonly bucket: string; readonly key: string } {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri);
  if (match === null) throw new Error(`not an s3:// URI: ${uri}`);
  return { bucket: match[1] ?? "", key: match[2] ?? "" };
}

/** Every file under a folder (or the one file), as uploads below a prefix. */
export function folderUploads(path: string, uri: string): Upload[] {
  const base = uri.endsWith("/") ? uri : `${uri}/`;
  const stat = statSync(path);
  if (stat.isFile()) return [{ uri: `${base}${path.split(sep).pop()}`, bytes: stat.size, from: { path } }];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .sort()
    .map((file) => ({
      uri: `${base}${relative(path, file).split(sep).join("/")}`,
      bytes: statSync(file).size,
      from: { path: file },
    }));
}

export async function put(client: S3Client, upload: Upload): Promise<void> {
  const { PutObjectCommand } = await import("@aws-sdk/client-s3");
  const { bucket, key } = split(upload.uri);
  const body = "text" in upload.from ? upload.from.text : createReadStream(upload.from.path);
  await call("s3", "PutObject", () =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentLength: upload.bytes })),
  );
}
