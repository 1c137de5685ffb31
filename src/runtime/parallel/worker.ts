/** The program of a worker thread: one rank, asked step by step by the main thread. */
import { parentPort, workerData } from "node:worker_threads";
import type { NamedWeight, Section } from "../../program/index.js";
import { formats, Rank, type RankLinks } from "../../program/index.js";
import { startBackend } from "../backend/index.js";
import { Channel, coordinatesOf, type Links, makeMesh } from "../collectives/index.js";
import { RunFailure } from "../failure.js";
import { initialValues } from "../train/initial.js";
import type { Ask, Reply, StatePart, TeamJob } from "./job.js";

const { links, data: job } = workerData as { readonly links: Links; readonly data: TeamJob };
const port = parentPort!;
const reply = (message: Reply, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);

function rankLinks(channel: Channel): RankLinks {
  const mesh = makeMesh(channel, job.parallel);
  return {
    ...mesh,
    send: (stage, tag, x) => channel.send(mesh.stageRank(stage), tag, x),
    receive: (stage, tag) => channel.receive(mesh.stageRank(stage), tag) as Float32Array,
  };
}

function load(section: Section, weight: NamedWeight): Float32Array | undefined {
  return (
    job.tensors.get(`${section}/${weight.name}`) ?? (section === "weight" ? initialValues(weight, job.seed) : undefined)
  );
}

async function main(): Promise<void> {
  const { algebra, meter } = await startBackend("wasm");
  const channel = new Channel(links);
  const at = coordinatesOf(links.rank, job.parallel);
  const between = rankLinks(channel);
  const rank = new Rank(algebra, {
    graph: job.graph,
    layout: { parallel: job.parallel, chunks: job.chunks, at },
    links: between,
    recompute: job.recompute,
    optimizer: job.optimizer,
    round: job.compute === "bf16" ? formats.bf16 : job.compute === "fp16" ? formats.fp16 : undefined,
    positions: job.contextLength,
    load,
  });
  // One rank of each stage tells its weights; a tied one is the first stage's.
  const tells = at.data === 0 && at.context === 0 && at.tensor === 0;
  const answer = (ask: Ask): void => {
    switch (ask.kind) {
      case "run": {
        meter.reset();
        const losses = rank.run(ask.micro, ask.tasks, ask.scale);
        reply({ kind: "run", losses, peak: meter.peak });
        return;
      }
      case "update": {
        const norm = rank.update(ask.update);
        reply({ kind: "update", norm, peak: meter.peak, sentBytes: channel.sentBytes });
        return;
      }
      case "state": {
        const parts: StatePart[] = [];
        for (const { section, part, values } of rank.weights.all(ask.sections))
          if (tells && (!part.tied || between.pipelineEnds.index === 0))
            parts.push({ section, name: part.name, shape: part.full.spec.shape, values: values.slice() });
        reply(
          { kind: "state", parts },
          parts.map((p) => p.values.buffer as ArrayBuffer),
        );
        return;
      }
      case "close":
        port.close();
    }
  };
  port.on("message", (ask: Ask) => {
    try {
      answer(ask);
    } catch (error) {
      failed(error);
    }
  });
  reply({ kind: "ready" });
}

/** A diagnostic does not survive as an error of the thread: it goes ahead as a message. */
function failed(error: unknown): void {
  if (!(error instanceof RunFailure)) throw error;
  reply({ kind: "failed", diagnostic: error.diagnostic });
  port.close();
}

main().catch(failed);
