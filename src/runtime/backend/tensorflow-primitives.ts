/** `Primitives` by TensorFlow's own operations, through the binding of @tensorflow/tfjs-node (which has more than its JavaScript). */
import type { AdamStep, Binary, LoopCost, LoopWork, Primitives, RoundFormat, Unary } from "../../program/index.js";
import { hostLoop } from "./host-loop.js";

export interface NativeTensor {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: number;
}

interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: number | boolean | string | readonly number[];
}

/** The Node-API addon of tfjs-node 4.22 (`tf.backend().binding`). */
export interface NativeBinding {
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_SHAPE: number;
  readonly TF_ATTR_STRING: number;
  createTensor(shape: readonly number[], dtype: number, values: Float32Array | Int32Array): number;
  deleteTensor(id: number): void;
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array;
  executeOp(name: string, attributes: readonly Attribute[], ids: readonly number[], outputs: number): NativeTensor[];
}

// TF_DataType of tensorflow/c/tf_datatype.h.
const FLOAT = 1;
const INT32 = 3;
const BOOL = 10;
const smaller: Readonly<Record<string, number>> = { "7/-126": 14, "10/-14": 19, "2/-14": 24, "3/-6": 25 };

const unaries: Readonly<Record<Unary, string>> = {
  abs: "Abs",
  erf: "Erf",
  exp: "Exp",
  log: "Log",
  negative: "Neg",
  relu: "Relu",
  rsqrt: "Rsqrt",
  sigmoid: "Sigmoid",
  sqrt: "Sqrt",
  square: "Square",
  step: "",
  tanh: "Tanh",
};
const binaries: Readonly<Record<Binary, string>> = {
  add: "AddV2",
  subtract: "Sub",
  multiply: "Mul",
  divide: "RealDiv",
  maximum: "Maximum",
  minimum: "Minimum",
  greater: "Greater",
  equal: "Equal",
};

export class TensorflowPrimitives implements Primitives<NativeTensor> {
  /** Small constant operands (shapes, axes, permutations) by their values. */
  private readonly constants = new Map<string, number>();
  private readonly attributes = new Map<string, readonly Attribute[]>();
  constructor(private readonly binding: NativeBinding) {}

  readonly fused = {
    scalar: (value: number): NativeTensor => this.scalar(value),
    // SparseSoftmaxCrossEntropyWithLogits takes three times as long as this.
    rows: {
      softmax: (x: NativeTensor): NativeTensor => this.run("Softmax", this.typed(["T", FLOAT]), [x.id]),
      pick: (x: NativeTensor, ids: NativeTensor): NativeTensor => {
        const column = this.reshape(ids, [x.shape[0]!, 1]);
        const picked = this.run("GatherV2", this.gathering(FLOAT, 1), [x.id, column.id, this.constant([1], [])]);
        this.dispose(column);
        return picked;
      },
      subtractAt: (x: NativeTensor, ids: NativeTensor, values: NativeTensor): NativeTensor => {
        const column = this.reshape(ids, [x.shape[0]!, 1]);
        const places = this.concat([this.numbers(x.shape[0]!), column], 1);
        const [result] = this.inPlace([x], ([variable]) => {
          const attributes = this.typed(["T", FLOAT], ["Tindices", INT32]);
          this.binding.executeOp("ResourceScatterNdSub", attributes, [variable!, places.id, values.id], 0);
        });
        this.dispose(column);
        this.dispose(places);
        return result!;
      },
    },
    /** Adam's epsilon stands outside the correction of v here, in TensorFlow inside. */
    adam: (
      p: NativeTensor,
      m: NativeTensor,
      v: NativeTensor,
      g: NativeTensor,
      { lr, beta1, beta2, eps, t }: Omit<AdamStep, "decay" | "scale">,
    ): readonly [NativeTensor, NativeTensor, NativeTensor] => {
      const numbers = [beta1 ** t, beta2 ** t, lr, beta1, beta2, eps * Math.sqrt(1 - beta2 ** t)];
      const scalars = numbers.map((x) => this.scalar(x).id);
      const [p1, m1, v1] = this.inPlace([p, m, v], (variables) => {
        this.binding.executeOp("ResourceApplyAdam", this.typed(["T", FLOAT]), [...variables, ...scalars, g.id], 0);
      });
      return [p1!, m1!, v1!];
    },
    sumOfSquares: (x: NativeTensor): number => {
      const half = this.run("L2Loss", this.typed(["T", FLOAT]), [x.id]);
      const value = this.read(half)[0]!;
      this.dispose(half);
      return 2 * value;
    },
    round: (x: NativeTensor, format: RoundFormat): NativeTensor => this.rounded(x, format),
  };

  private readonly scalars = new Map<number, NativeTensor>();
  private scalar(value: number): NativeTensor {
    const known = this.scalars.get(value);
    if (known !== undefined) return known;
    // Learning rates and the like come and go.
    if (this.scalars.size >= 256) {
      for (const old of this.scalars.values()) this.dispose(old);
      this.scalars.clear();
    }
    const made = this.create(Float32Array.of(value), [], FLOAT);
    this.scalars.set(value, made);
    return made;
  }
  private readonly columns = new Map<number, NativeTensor>();
  /** 0, 1, … as a column of int32. */
  private numbers(rows: number): NativeTensor {
    const known = this.columns.get(rows);
    if (known !== undefined) return known;
    const made = this.ints(
      Int32Array.from({ length: rows }, (_, i) => i),
      [rows, 1],
    );
    this.columns.set(rows, made);
    return made;
  }
  private readonly variables: number[] = [];
  /**
   * Changes tensors in their own memory, which is theirs alone: variables take it over, and give it back as new handles.
   * (Where somebody else holds it TensorFlow copies first.)
   */
  private inPlace(
    tensors: readonly NativeTensor[],
    work: (variables: readonly number[]) => void,
  ): readonly NativeTensor[] {
    const attributes = this.typed(["dtype", FLOAT]);
    const used = tensors.map((x, i) => {
      this.variables[i] ??= this.run("VarHandleOp", this.variable(i), []).id;
      this.binding.executeOp("AssignVariableOp", attributes, [this.variables[i]!, x.id], 0);
      this.dispose(x);
      return this.variables[i]!;
    });
    work(used);
    const nothing = this.scalar(0).id;
    return used.map((variable) => {
      const result = this.run("ReadVariableOp", attributes, [variable]);
      this.binding.executeOp("AssignVariableOp", attributes, [variable, nothing], 0);
      return result;
    });
  }
  private variable(i: number): readonly Attribute[] {
    const { TF_ATTR_SHAPE: shape, TF_ATTR_STRING: text } = this.binding;
    return [
      ...this.typed(["dtype", FLOAT]),
      { name: "shape", type: shape, value: [] },
      { name: "shared_name", type: text, value: `llmp${i}` },
    ];
  }
  private typed(...types: readonly (readonly [name: string, type: number])[]): readonly Attribute[] {
    const key = types.join();
    const known = this.attributes.get(key);
    if (known !== undefined) return known;
    const made = types.map(([name, value]) => ({ name, type: this.binding.TF_ATTR_TYPE, value }));
    this.attributes.set(key, made);
    return made;
  }
  private run(name: string, attributes: readonly Attribute[], ids: readonly number[]): NativeTensor {
    return this.binding.executeOp(name, attributes, ids, 1)[0]!;
  }
  private constant(values: readonly number[], shape: readonly number[] = [values.length]): number {
    const key = `${shape.join()}:${values.join()}`;
    const known = this.constants.get(key);
    if (known !== undefined) return known;
    const id = this.binding.createTensor(shape, INT32, Int32Array.from(values));
    this.constants.set(key, id);
    return id;
  }
  private flag(name: string, value: boolean): Attribute {
    return { name, type: this.binding.TF_ATTR_BOOL, value };
  }

  shape(x: NativeTensor): readonly number[] {
    return x.shape;
  }
  bytes(x: NativeTensor): number {
    return (x.dtype === BOOL ? 1 : 4) * x.shape.reduce((a, b) => a * b, 1);
  }
  private create(values: Float32Array | Int32Array, shape: readonly number[], dtype: number): NativeTensor {
    return { id: this.binding.createTensor(shape, dtype, values), shape, dtype };
  }
  floats(values: Float32Array, shape: readonly number[]): NativeTensor {
    // The binding shares the array's memory.
    return this.create(values.slice(), shape, FLOAT);
  }
  ints(values: Int32Array, shape: readonly number[]): NativeTensor {
    return this.create(values.slice(), shape, INT32);
  }
  fill(shape: readonly number[], value: number): NativeTensor {
    const scalar = this.create(Float32Array.of(value), [], FLOAT);
    if (shape.length === 0) return scalar;
    const result = this.run("Fill", this.typed(["T", FLOAT], ["index_type", INT32]), [this.constant(shape), scalar.id]);
    this.dispose(scalar);
    return result;
  }
  dispose(x: NativeTensor): void {
    this.binding.deleteTensor(x.id);
  }
  read(x: NativeTensor): Float32Array {
    return Float32Array.from(this.binding.tensorDataSync(x.id));
  }
  reshape(x: NativeTensor, shape: readonly number[]): NativeTensor {
    return this.run("Reshape", this.typed(["T", x.dtype], ["Tshape", INT32]), [x.id, this.constant(shape)]);
  }
  unary(op: Unary, x: NativeTensor): NativeTensor {
    if (op !== "step") return this.run(unaries[op], this.typed(["T", FLOAT]), [x.id]);
    const zero = this.fill([], 0);
    const positive = this.binary("greater", x, zero);
    const result = this.cast(positive);
    this.dispose(zero);
    this.dispose(positive);
    return result;
  }
  binary(op: Binary, a: NativeTensor, b: NativeTensor): NativeTensor {
    const types = this.typed(["T", a.dtype]);
    const attributes = op === "equal" ? [...types, this.flag("incompatible_shape_error", true)] : types;
    return this.run(binaries[op], attributes, [a.id, b.id]);
  }
  cast(x: NativeTensor, to = FLOAT): NativeTensor {
    const attributes = [...this.typed(["SrcT", x.dtype], ["DstT", to]), this.flag("Truncate", false)];
    return this.run("Cast", attributes, [x.id]);
  }
  private rounded(x: NativeTensor, { mantissa, emin, largest, saturate }: RoundFormat): NativeTensor {
    const clip = (): NativeTensor => {
      const top = this.fill([], largest);
      const bottom = this.fill([], -largest);
      const low = this.binary("minimum", x, top);
      const clipped = this.binary("maximum", low, bottom);
      for (const t of [top, bottom, low]) this.dispose(t);
      return clipped;
    };
    const from = saturate ? clip() : x;
    const low = this.cast(from, smaller[`${mantissa}/${emin}`]!);
    const result = this.cast(low);
    this.dispose(low);
    if (from !== x) this.dispose(from);
    return result;
  }
  select(condition: NativeTensor, yes: NativeTensor, no: NativeTensor): NativeTensor {
    return this.run("SelectV2", this.typed(["T", yes.dtype]), [condition.id, yes.id, no.id]);
  }
  matmul(a: NativeTensor, b: NativeTensor, transposeA: boolean, transposeB: boolean): NativeTensor {
    const flat = a.shape.length === 2;
    const [left, right] = flat ? (["transpose_a", "transpose_b"] as const) : (["adj_x", "adj_y"] as const);
    const key = `matmul${flat}${transposeA}${transposeB}`;
    const attributes = this.attributes.get(key) ?? [
      ...this.typed(["T", FLOAT]),
      this.flag(left, transposeA),
      this.flag(right, transposeB),
    ];
    this.attributes.set(key, attributes);
    return this.run(flat ? "MatMul" : "BatchMatMulV2", attributes, [a.id, b.id]);
  }
  reduce(op: "sum" | "max", x: NativeTensor, axis: number): NativeTensor {
    const attributes = [...this.typed(["T", FLOAT], ["Tidx", INT32]), this.flag("keep_dims", true)];
    return this.run(op === "sum" ? "Sum" : "Max", attributes, [x.id, this.constant([axis])]);
  }
  transpose(x: NativeTensor, permutation: readonly number[]): NativeTensor {
    const attributes = this.typed(["T", x.dtype], ["Tperm", INT32]);
    return this.run("Transpose", attributes, [x.id, this.constant(permutation)]);
  }
  slice(x: NativeTensor, axis: number, first: number, count: number): NativeTensor {
    const begin = this.constant(x.shape.map((_, i) => (i === axis ? first : 0)));
    const size = this.constant(x.shape.map((n, i) => (i === axis ? count : n)));
    return this.run("Slice", this.typed(["T", x.dtype], ["Index", INT32]), [x.id, begin, size]);
  }
  concat(parts: readonly NativeTensor[], axis: number): NativeTensor {
    const attributes = [
      { name: "N", type: this.binding.TF_ATTR_INT, value: parts.length },
      ...this.typed(["T", parts[0]!.dtype], ["Tidx", INT32]),
    ];
    return this.run("ConcatV2", attributes, [...parts.map((p) => p.id), this.constant([axis], [])]);
  }
  pad(x: NativeTensor, axis: number, before: number, after: number): NativeTensor {
    const around = x.shape.flatMap((_, i) => (i === axis ? [before, after] : [0, 0]));
    const attributes = this.typed(["T", x.dtype], ["Tpaddings", INT32]);
    return this.run("Pad", attributes, [x.id, this.constant(around, [x.shape.length, 2])]);
  }
  gather(table: NativeTensor, ids: NativeTensor): NativeTensor {
    return this.run("GatherV2", this.gathering(table.dtype, 0), [table.id, ids.id, this.constant([0], [])]);
  }
  private gathering(dtype: number, batchDimensions: number): readonly Attribute[] {
    return [
      { name: "batch_dims", type: this.binding.TF_ATTR_INT, value: batchDimensions },
      ...this.typed(["Tparams", dtype], ["Tindices", INT32], ["Taxis", INT32]),
    ];
  }
  scatterAdd(x: NativeTensor, ids: NativeTensor, rows: number): NativeTensor {
    const attributes = this.typed(["T", FLOAT], ["Tindices", INT32], ["Tnumsegments", INT32]);
    return this.run("UnsortedSegmentSum", attributes, [x.id, ids.id, this.constant([rows], [])]);
  }
  oneHot(ids: NativeTensor, depth: number): NativeTensor {
    const [on, off] = [this.fill([], 1), this.fill([], 0)];
    const attributes = [
      { name: "axis", type: this.binding.TF_ATTR_INT, value: -1 },
      ...this.typed(["T", FLOAT], ["TI", INT32]),
    ];
    const result = this.run("OneHot", attributes, [ids.id, this.constant([depth], []), on.id, off.id]);
    this.dispose(on);
    this.dispose(off);
    return result;
  }
  loop(
    inputs: readonly NativeTensor[],
    shapes: readonly (readonly number[])[],
    _cost: LoopCost,
    work: LoopWork,
    written: readonly number[],
  ): readonly NativeTensor[] {
    const given = inputs.map((x) => ({ shape: x.shape, values: this.values(x) }));
    return hostLoop(this, given, shapes, work, written);
  }
  private values(x: NativeTensor): Float32Array | Int32Array {
    // A copy: the library may give its own memory.
    return (this.binding.tensorDataSync(x.id) as Float32Array | Int32Array).slice();
  }
}
