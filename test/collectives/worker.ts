/** Runs inside a worker thread: every collective once, results posted back. */
import { parentPort, workerData } from "node:worker_threads";
import { Channel, type Links, makeMesh } from "../../src/runtime/collectives/index.js";

const { links, data } = workerData as { links: Links; data: { fail: number } & Parameters<typeof makeMesh>[1] };
const channel = new Channel(links);
const mesh = makeMesh(channel, data);
const { rank } = channel;
if (data.fail === rank) throw new Error("deliberate failure");
const x = Float32Array.from({ length: 7 }, (_, i) => rank * 10 + i);
const world = mesh.world;
// Both directions at once, larger than any buffer: must not deadlock.
const big = new Float32Array(1 << 20).fill(rank);
channel.send((rank + 1) % links.size, 999, big);
channel.send((rank + links.size - 1) % links.size, 998, big);
const fromLeft = channel.receive((rank + links.size - 1) % links.size, 999)[0];
const fromRight = channel.receive((rank + 1) % links.size, 998)[0];
parentPort?.postMessage({
  at: mesh.at,
  sum: [...world.allReduce(x)],
  max: [...world.allReduce(x, "max")],
  scattered: [...world.reduceScatter(x)],
  gathered: [...mesh.tensor.allGather(x.subarray(0, 1 + mesh.tensor.index))],
  exchanged: mesh.expert.allToAll(mesh.expert.ranks.map((r) => Float32Array.of(rank, r))).map((p) => [...p]),
  broadcast: [...mesh.data.broadcast(x.subarray(0, 1), 0)],
  neighbours: [fromLeft, fromRight],
});
world.barrier();
