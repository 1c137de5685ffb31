/**
 * Who may ask. The page shows what a company trains and what it pays, so it answers this machine's browser only, and only
 * pages of its own: a name that an attacker points at 127.0.0.1 (DNS rebinding), another site's script and a guessed token
 * are refused before anything is read.
 */
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";

export interface Refusal {
  readonly status: number;
  readonly why: string;
}

export interface Door {
  readonly port: number;
  readonly token: string;
}

export const cookieName = (port: number): string => `llmp_studio_${port}`;

const equal = (a: string, b: string): boolean => {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
};

/** `undefined`: may pass. `entering`: the token came in the address and becomes a cookie. */
export function refusal(request: IncomingMessage, url: URL, door: Door): Refusal | "entering" | undefined {
  const { host, origin, cookie } = request.headers;
  const names = ["127.0.0.1", "localhost"].map((name) => `${name}:${door.port}`);
  if (host === undefined || !names.includes(host)) return { status: 421, why: "this server answers to 127.0.0.1 only" };
  if (origin !== undefined && origin !== `http://${host}`) return { status: 403, why: "another origin" };
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none" && url.searchParams.get("token") === null)
    return { status: 403, why: "another site" };
  if (request.method !== "GET" && request.method !== "HEAD") return { status: 405, why: "only GET" };
  const given = url.searchParams.get("token");
  if (given !== null) return equal(given, door.token) ? "entering" : { status: 403, why: "a wrong token" };
  const mine = (cookie ?? "")
    .split(/;\s*/)
    .map((c) => c.split("="))
    .find(([name]) => name === cookieName(door.port));
  if (mine?.[1] === undefined || !equal(mine[1], door.token))
    return { status: 403, why: "no token: open the address that `llmp studio` printed" };
  return undefined;
}
