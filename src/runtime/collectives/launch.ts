/** Starts one worker thread per rank, fully linked, and waits for them; the first failure aborts all. */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { abortAll, type Links } from "./channel.js";

export interface WorkerMessage {
  readonly rank: number;
  readonly message: unknown;
}

export interface LaunchOptions<T> {
  /** File of the worker's program (JavaScript). It finds `{ links, data }` in `workerData`. */
  readonly file: string | URL;
  readonly size: number;
  readonly data: (rank: number) => T;
  readonly onMessage?: (event: WorkerMessage) => void;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Team {
  /** Resolves when every worker has ended without error; rejects with the first error after all have ended. */
  readonly done: Promise<void>;
  readonly post: (rank: number, message: unknown) => void;
  readonly terminate: () => Promise<void>;
}

export function launch<T>(options: LaunchOptions<T>): Team {
  const { size } = options;
  const counters = new SharedArrayBuffer(4 * (size + 1));
  const flags = new Int32Array(counters);
  const ports: (MessagePort | undefined)[][] = Array.from({ length: size }, () =>
    new Array<MessagePort | undefined>(size).fill(undefined),
  );
  for (let a = 0; a < size; a++) {
    for (let b = a + 1; b < size; b++) {
      const { port1, port2 } = new MessageChannel();
      (ports[a] as (MessagePort | undefined)[])[b] = port1;
      (ports[b] as (MessagePort | undefined)[])[a] = port2;
    }
  }
  let failure: Error | undefined;
  /** A rank that waits for the failed one wakes; one that waits for its next task would wait for ever. */
  const stop = (): void => {
    abortAll(flags);
    for (const worker of workers) void worker.terminate();
  };
  const workers: readonly Worker[] = ports.map((mine, rank) => {
    const links: Links = { rank, size, ports: mine, counters };
    const worker = new Worker(options.file, {
      workerData: { links, data: options.data(rank) },
      transferList: mine.filter((p): p is MessagePort => p !== undefined),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    worker.on("message", (message: unknown) => options.onMessage?.({ rank, message }));
    worker.on("error", (error: unknown) => {
      // A rank that only reports "another worker failed" must not hide the cause.
      const own = error instanceof Error ? error : new Error(String(error));
      if (failure === undefined || /another worker failed/.test(failure.message)) failure = own;
      stop();
    });
    return worker;
  });
  const ended = workers.map(
    (worker) =>
      new Promise<void>((resolve) => {
        worker.on("exit", (code) => {
          if (code !== 0) {
            failure ??= new Error(`a worker ended with status ${code}`);
            stop();
          }
          resolve();
        });
      }),
  );
  const done = Promise.all(ended).then(() => {
    if (failure !== undefined) throw failure;
  });
  return {
    done,
    post: (rank, message) => workers[rank]?.postMessage(message),
    terminate: async () => {
      abortAll(flags);
      await Promise.all(workers.map((w) => w.terminate()));
    },
  };
}
