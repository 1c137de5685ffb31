/** The studio's server: one page, one stream of events, nothing else, on the loopback interface. */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Plan } from "../planner/plan.js";
import { renderHtml, renderNothing } from "../report/html/index.js";
import { clientScript } from "./client.js";
import { cookieName, type Door, refusal } from "./guard.js";

export interface Compiled {
  readonly plan?: Plan;
  /** Diagnostics as the terminal shows them, without colour; empty: none. */
  readonly problems: string;
  readonly errors: number;
}

export interface StudioOptions {
  /** As shown. */
  readonly file: string;
  /** 0: any free one. */
  readonly port: number;
  /** Reads, checks and plans the file as it is now; `undefined`: cancelled, a later call answers. */
  readonly compile: () => Promise<Compiled | undefined>;
  /** Calls back whenever the file, or what it imports, is saved. Returns what stops it. */
  readonly watch: (changed: () => void) => () => Promise<void>;
}

export interface Studio {
  /** With the token. */
  readonly url: string;
  readonly port: number;
  readonly close: () => Promise<void>;
}

interface State {
  /** Counts what there is to show. */
  version: number;
  status: string;
  compiled?: Compiled;
  /** The last plan that there was. */
  plan?: Plan;
  stale: boolean;
}

export async function startStudio(options: StudioOptions): Promise<Studio> {
  const token = randomBytes(24).toString("base64url");
  const streams = new Set<ServerResponse>();
  const state: State = { version: 0, status: "planning…", stale: true };
  const send = (stream: ServerResponse): void => {
    stream.write(`event: state\ndata: ${JSON.stringify({ version: state.version, status: state.status })}\n\n`);
  };
  const tell = (): void => {
    for (const stream of streams) send(stream);
  };

  const compile = async (): Promise<void> => {
    state.status = "planning…";
    tell();
    const start = performance.now();
    let compiled: Compiled | undefined;
    try {
      compiled = await options.compile();
    } catch (error) {
      compiled = { problems: error instanceof Error ? error.message : String(error), errors: 1 };
    }
    if (compiled === undefined) return;
    state.compiled = compiled;
    state.stale = compiled.plan === undefined;
    if (compiled.plan !== undefined) state.plan = compiled.plan;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    state.status =
      compiled.plan !== undefined
        ? `planned in ${seconds} s; planning anew on save`
        : `${compiled.errors} error${compiled.errors === 1 ? "" : "s"}${state.plan === undefined ? "" : "; below, the last plan that there was"}`;
    state.version++;
    tell();
  };

  const server = createServer((request, response) => {
    answer(request, response, { port, token }).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain; charset=utf-8" });
      response.end(error instanceof Error ? error.message : String(error));
    });
  });

  const answer = async (request: IncomingMessage, response: ServerResponse, door: Door): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const no = refusal(request, url, door);
    if (no === "entering") {
      // The token leaves the address bar, so that it is in no history, screenshot or referrer.
      const cookie = `${cookieName(door.port)}=${token}; HttpOnly; SameSite=Strict; Path=/`;
      response.writeHead(303, { ...headers(), location: "/", "set-cookie": cookie }).end();
    } else if (no !== undefined) {
      response.writeHead(no.status, { ...headers(), "content-type": "text/plain; charset=utf-8" }).end(`${no.why}\n`);
    } else if (url.pathname === "/") {
      const nonce = randomBytes(16).toString("base64");
      const text = await page(state, options.file, nonce);
      response.writeHead(200, { ...headers(nonce), "content-type": "text/html; charset=utf-8" }).end(text);
    } else if (url.pathname === "/main") {
      // What an open page takes in place of its own.
      const text = await page(state, options.file, "");
      const main = text.slice(text.indexOf("<main>"), text.lastIndexOf("</main>") + "</main>".length);
      response.writeHead(200, { ...headers(), "content-type": "text/html; charset=utf-8" }).end(main);
    } else if (url.pathname === "/plan.json" && state.plan !== undefined && !state.stale) {
      response.writeHead(200, { ...headers(), "content-type": "application/json" }).end(JSON.stringify(state.plan));
    } else if (url.pathname === "/events") {
      response.writeHead(200, { ...headers(), "content-type": "text/event-stream" });
      response.write("retry: 1000\n\n");
      streams.add(response);
      request.on("close", () => streams.delete(response));
      send(response);
    } else response.writeHead(404, { ...headers(), "content-type": "text/plain; charset=utf-8" }).end("not here\n");
  };

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  // Streams through proxies and sleeping laptops stay open.
  const beat = setInterval(() => {
    for (const stream of streams) stream.write(": still here\n\n");
  }, 15_000);
  const unwatch = options.watch(() => void compile());
  void compile();
  return {
    url: `http://127.0.0.1:${port}/?token=${token}`,
    port,
    close: async () => {
      clearInterval(beat);
      await unwatch();
      for (const stream of streams) stream.end();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function headers(nonce?: string): Record<string, string> {
  const own =
    nonce === undefined
      ? ""
      : `; script-src 'nonce-${nonce}'; style-src-elem 'nonce-${nonce}'; style-src-attr 'unsafe-inline'; connect-src 'self'`;
  return {
    "content-security-policy": `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'${own}`,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
  };
}

async function page(state: State, file: string, nonce: string): Promise<string> {
  const problems = state.compiled?.problems ?? "";
  const options = {
    nonce,
    script: clientScript,
    status: state.status,
    stale: state.stale && state.plan !== undefined,
    ...(problems === "" ? {} : { problems }),
  };
  return state.plan === undefined ? renderNothing(file, options) : renderHtml(state.plan, options);
}
