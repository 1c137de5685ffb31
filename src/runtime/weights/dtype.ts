/** Element types of safetensors and their values as fp32. Formats: IEEE 754; bfloat16; OCP FP8 (e4m3fn, e5m2). */
export const elementSize: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** Any minifloat with `exponent` and `mantissa` bits; `finite`: only the all-ones code is NaN and there is no infinity. */
function minifloat(code: number, exponent: number, mantissa: number, finite: boolean): number {
  const sign = code >> (exponent + mantissa) ? -1 : 1;
  const e = (code >> mantissa) & ((1 << exponent) - 1);
  const m = code & ((1 << mantissa) - 1);
  const bias = (1 << (exponent - 1)) - 1;
  const top = (1 << exponent) - 1;
  if (e === top && !finite) return m === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (finite && e === top && m === (1 << mantissa) - 1) return Number.NaN;
  return e === 0 ? sign * m * 2 ** (1 - bias - mantissa) : sign * (1 + m / (1 << mantissa)) * 2 ** (e - bias);
}

const table = (size: number, value: (code: number) => number) => {
  let made: Float32Array | undefined;
  return () => {
    made ??= Float32Array.from({ length: size }, (_, code) => value(code));
    return made;
  };
};
const halves = table(65_536, (code) => minifloat(code, 5, 10, false));
const e4m3 = table(256, (code) => minifloat(code, 4, 3, true));
const e5m2 = table(256, (code) => minifloat(code, 5, 2, false));

/** @returns undefined for a type that has no numbers we know. `bytes` holds little-endian elements. */
export function toFloat32(dtype: string, bytes: Uint8Array): Float32Array | undefined {
  const size = elementSize[dtype];
  if (size === undefined) return undefined;
  const count = bytes.length / size;
  // Typed arrays need their own alignment.
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset } = aligned;
  const out = new Float32Array(count);
  const lookup = (codes: ArrayLike<number>, values: Float32Array) => {
    for (let i = 0; i < count; i++) out[i] = values[codes[i] as number] as number;
  };
  if (dtype === "F32") out.set(new Float32Array(buffer, byteOffset, count));
  else if (dtype === "F64") out.set(new Float64Array(buffer, byteOffset, count));
  else if (dtype === "F16") lookup(new Uint16Array(buffer, byteOffset, count), halves());
  else if (dtype === "BF16") {
    const codes = new Uint16Array(buffer, byteOffset, count);
    const words = new Uint32Array(out.buffer);
    for (let i = 0; i < count; i++) words[i] = (codes[i] as number) << 16;
  } else if (dtype === "F8_E4M3") lookup(aligned, e4m3());
  else if (dtype === "F8_E5M2") lookup(aligned, e5m2());
  else if (dtype === "I64" || dtype === "U64") {
    const codes =
      dtype === "I64" ? new BigInt64Array(buffer, byteOffset, count) : new BigUint64Array(buffer, byteOffset, count);
    for (let i = 0; i < count; i++) out[i] = Number(codes[i]);
  } else if (dtype === "I32") out.set(new Int32Array(buffer, byteOffset, count));
  else if (dtype === "U32") out.set(new Uint32Array(buffer, byteOffset, count));
  else if (dtype === "I16") out.set(new Int16Array(buffer, byteOffset, count));
  else if (dtype === "U16") out.set(new Uint16Array(buffer, byteOffset, count));
  else if (dtype === "I8") out.set(new Int8Array(buffer, byteOffset, count));
  else out.set(aligned);
  return out;
}

/** fp32 → little-endian elements, rounded to nearest even. */
export function fromFloat32(dtype: "F32" | "BF16" | "F16", values: Float32Array): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const out = new Uint16Array(values.length);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < values.length; i++)
    out[i] = dtype === "BF16" ? bfloat16(words[i] as number) : half(values[i] as number);
  return new Uint8Array(out.buffer);
}

function bfloat16(word: number): number {
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return ((word + 0x7fff + ((word >>> 16) & 1)) >>> 16) & 0xffff;
}

function half(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const x = Math.abs(value);
  if (Number.isNaN(x)) return 0x7e00;
  if (x >= 65_520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(Math.max(x, 2 ** -24))));
  const unit = 2 ** (exponent - 10);
  const steps = x / unit;
  const floor = Math.floor(steps);
  const rest = steps - floor;
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
  // Mantissa overflow carries into the exponent by itself: codes of neighbours are neighbours.
  return sign | (exponent === -14 ? rounded : ((exponent + 15) << 10) + (rounded - 1024));
}
