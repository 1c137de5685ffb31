/** Workers on this machine: what one of them takes, and what all of them share. */
import type { ModelGraph } from "../../model/graph.js";
import type { Bytes, Seconds } from "../../units/index.js";
import type { ParallelPlan } from "../plan.js";
import type { LocalMachine } from "../types.js";
import type { LocalPrediction } from "./index.js";

export interface Team extends LocalPrediction {
  readonly computeSeconds: Seconds;
  readonly allReduceSeconds: Seconds;
  /** Of all workers and the thread that leads them. */
  readonly machineBytes: Bytes;
  /** What one worker may have: its heap, and its part of the machine's memory. */
  readonly capacityBytes: Bytes;
}

/** A thread with V8 and TensorFlow.js loaded, before it has a model. */
const threadBytes = 64 * 2 ** 20;
/** Copies of all gradients outside the heap while they are summed: read out, joined, received, gathered. */
const exchangeCopies = 4;

/**
 * Workers have a thread and a WASM heap each: they compute side by side up to the number of cores and take turns beyond it.
 * @param one prediction for the fullest worker
 */
export function teamOf(one: LocalPrediction, graph: ModelGraph, parallel: ParallelPlan, machine: LocalMachine): Team {
  const replicas = parallel.data * parallel.context;
  const workers = replicas * parallel.tensor * parallel.pipeline;
  const { cores, heapBytes, memoryBytes, elementwiseBandwidth, constants } = machine;
  const { stepSeconds, peakBytes } = one;
  if (workers === 1) {
    const capacityBytes = Math.min(heapBytes, memoryBytes);
    return { ...one, computeSeconds: stepSeconds, allReduceSeconds: 0, machineBytes: peakBytes, capacityBytes };
  }
  const gradients = 4 * graph.trainableParameters;
  // The leading thread puts whole weights and optimizer state together for a checkpoint.
  const leader = 4 * graph.parameters + 2 * gradients;
  const beside = threadBytes + exchangeCopies * gradients;
  const turns = Math.max(1, workers / cores);
  const computeSeconds = stepSeconds * turns;
  const away = (replicas - 1) / replicas;
  // Reads and writes of memory: out of the heap and joined 4, back into it 8; sent 2 and added 3, gathered 2 of what is others'.
  const rate = constants?.memoryBandwidth ?? elementwiseBandwidth;
  const allReduceSeconds = replicas === 1 ? 0 : ((12 + 7 * away) * gradients * turns) / rate;
  const machineBytes = workers * (peakBytes + beside) + leader;
  return {
    ...one,
    stepSeconds: computeSeconds + allReduceSeconds,
    computeSeconds,
    allReduceSeconds,
    machineBytes,
    capacityBytes: Math.max(0, Math.min(heapBytes, (memoryBytes - leader) / workers - beside)),
    fits: one.fits && machineBytes <= memoryBytes,
  };
}
