/** Llama and GPT-2 as one would write them in TensorFlow.js, with nothing of ours: what tf.grads differentiates. */
import "@tensorflow/tfjs-backend-cpu";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import * as tf from "@tensorflow/tfjs-core";
import type { Tiny } from "./graphs.js";
import { length, rows, sequences } from "./steps.js";

type Weights = Readonly<Record<string, tf.Tensor>>;
type Apply = (x: tf.Tensor) => tf.Tensor;
const tokens = sequences * length;

const linear = (x: tf.Tensor, w: tf.Tensor): tf.Tensor => tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D, false, true);
const conv1d = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  tf.add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), b);
const rmsNorm = (x: tf.Tensor, w: tf.Tensor): tf.Tensor =>
  tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), 1e-5))), w);
function layerNorm(x: tf.Tensor, w: tf.Tensor, b: tf.Tensor): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, 1, true));
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), 1, true), 1e-5))), w), b);
}
const softcapped = (x: tf.Tensor, cap: number): tf.Tensor => tf.mul(tf.tanh(tf.div(x, cap)), cap);

/** [tokens, heads · dim] → [sequences, heads, length, dim] */
const byHead = (x: tf.Tensor, heads: number): tf.Tensor =>
  tf.transpose(tf.reshape(x, [sequences, length, heads, -1]), [0, 2, 1, 3]);

/** Halves of each head turn together (Hugging Face's rotate_half). */
function rotate(x: tf.Tensor, positions: Int32Array): tf.Tensor {
  const dim = x.shape[3]!;
  const half = dim / 2;
  const angles = Float32Array.from({ length: tokens * half }, (_, i) => {
    return positions[Math.floor(i / half)]! * 10_000 ** ((-2 * (i % half)) / dim);
  });
  const [cos, sin] = [Math.cos, Math.sin].map((f) => tf.tensor(angles.map(f), [sequences, 1, length, half]));
  const [a, b] = tf.split(x, 2, 3) as [tf.Tensor, tf.Tensor];
  return tf.concat([tf.sub(tf.mul(a, cos!), tf.mul(b, sin!)), tf.add(tf.mul(b, cos!), tf.mul(a, sin!))], 3);
}

/** Causal, within a window and within a document. */
function mask(segments: Int32Array, window: number): tf.Tensor {
  const values = Float32Array.from({ length: sequences * length * length }, (_, i) => {
    const key = i % length;
    const query = Math.floor(i / length) % length;
    const row = Math.floor(i / length ** 2) * length;
    const seen =
      key <= query && (window === 0 || key > query - window) && segments[row + key] === segments[row + query];
    return seen ? 0 : -1e9;
  });
  return tf.tensor(values, [sequences, 1, length, length]);
}

function attention(t: Tiny, q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, hidden: tf.Tensor): tf.Tensor {
  const repeat: Apply = (x) => {
    const group = t.heads / t.kvHeads;
    const wide = tf.tile(tf.reshape(x, [sequences, t.kvHeads, 1, -1]), [1, 1, group, 1]);
    return tf.reshape(wide, [sequences, t.heads, length, -1]);
  };
  const scores = tf.div(tf.matMul(q, repeat(k), false, true), Math.sqrt(t.hidden / t.heads));
  const capped = (t.cap ?? 0) > 0 ? softcapped(scores, t.cap!) : scores;
  const weights = tf.softmax(tf.add(capped, hidden));
  return tf.reshape(tf.transpose(tf.matMul(weights, repeat(v)), [0, 2, 1, 3]), [tokens, t.hidden]);
}

function lossOf(logits: tf.Tensor, given: ReturnType<typeof rows>): tf.Scalar {
  const chosen = tf.mul(tf.logSoftmax(logits), tf.oneHot(tf.tensor1d(given.targets, "int32"), logits.shape[1]!));
  return tf.neg(tf.sum(tf.mul(tf.sum(chosen, 1), tf.tensor1d(given.weights)))) as tf.Scalar;
}

const look = (table: tf.Tensor, ids: Int32Array): tf.Tensor => tf.gather(table, tf.tensor1d(ids, "int32"));

function llamaLoss(t: Tiny, w: Weights): tf.Scalar {
  const given = rows(t.vocab);
  const hidden = mask(given.segments, t.window ?? 0);
  const embedding = w["model.embed_tokens.weight"]!;
  let x = look(embedding, given.tokens);
  for (let i = 0; i < t.layers; i++) {
    const of = (name: string): tf.Tensor => w[`model.layers.${i}.${name}.weight`]!;
    const n = rmsNorm(x, of("input_layernorm"));
    const [q, k, v] = (["q", "k", "v"] as const).map((name) =>
      byHead(linear(n, of(name)), name === "q" ? t.heads : t.kvHeads),
    );
    const o = attention(t, rotate(q!, given.positions), rotate(k!, given.positions), v!, hidden);
    const h = tf.add(x, linear(o, of("o")));
    const m = rmsNorm(h, of("post_attention_layernorm"));
    const gate = linear(m, of("gate"));
    const gated = tf.mul(tf.mul(gate, tf.sigmoid(gate)), linear(m, of("up")));
    x = tf.add(h, linear(gated, of("down")));
  }
  const logits = linear(rmsNorm(x, w["model.norm.weight"]!), embedding);
  return lossOf((t.cap ?? 0) > 0 ? softcapped(logits, t.cap!) : logits, given);
}

function gpt2Loss(t: Tiny, w: Weights): tf.Scalar {
  const given = rows(t.vocab);
  const hidden = mask(given.segments, 0);
  let x = tf.add(look(w["wte.weight"]!, given.tokens), look(w["wpe.weight"]!, given.positions));
  for (let i = 0; i < t.layers; i++) {
    const pair = (name: string) => [w[`h.${i}.${name}.weight`]!, w[`h.${i}.${name}.bias`]!] as const;
    const n = layerNorm(x, ...pair("ln_1"));
    const [q, k, v] = ["q", "k", "v"].map((name) => byHead(conv1d(n, ...pair(name)), t.heads));
    const h = tf.add(x, conv1d(attention(t, q!, k!, v!, hidden), ...pair("o")));
    const up = conv1d(layerNorm(h, ...pair("ln_2")), ...pair("up"));
    const cubic = tf.mul(tf.add(up, tf.mul(tf.mul(tf.square(up), up), 0.044715)), Math.sqrt(2 / Math.PI));
    const gelu = tf.mul(tf.mul(up, 0.5), tf.add(tf.tanh(cubic), 1));
    x = tf.add(h, conv1d(gelu, ...pair("down")));
  }
  const head = t.tied === true ? w["wte.weight"]! : w["lm_head.weight"]!;
  return lossOf(linear(layerNorm(x, w["ln_f.weight"]!, w["ln_f.bias"]!), head), given);
}

/** Loss and gradients of a whole model by tf.grads, on TensorFlow.js's plain CPU backend. */
export async function tfGrads(
  architecture: "llama" | "gpt2",
  t: Tiny,
  weights: ReadonlyMap<string, Float32Array>,
  shapeOf: (name: string) => readonly number[],
): Promise<{ readonly loss: number; readonly gradients: ReadonlyMap<string, Float32Array> }> {
  await tf.setBackend("cpu");
  const names = [...weights.keys()];
  const result = tf.tidy(() => {
    const inputs = names.map((name) => tf.tensor(weights.get(name)!, [...shapeOf(name)]));
    const loss = architecture === "llama" ? llamaLoss : gpt2Loss;
    const run = (...given: tf.Tensor[]): tf.Scalar =>
      loss(t, Object.fromEntries(names.map((name, i) => [name, given[i]!])));
    const { value, grads } = tf.valueAndGrads(run)(inputs);
    return { loss: value.dataSync()[0]!, gradients: grads.map((g) => Float32Array.from(g.dataSync())) };
  });
  return { loss: result.loss, gradients: new Map(names.map((name, i) => [name, result.gradients[i]!])) };
}
