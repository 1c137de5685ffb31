// Rotary embeddings. x, y [tokens, heads·dim]; cos, sin [positions, rotary / 2]; `sign` −1 rotates back (the gradient).
// Halves (Hugging Face) or, interleaved, even and odd features (DeepSeek) are the pairs; features from `start` on rotate.
export function rope(
  x: usize,
  y: usize,
  cos: usize,
  sin: usize,
  positions: usize,
  tokens: i32,
  heads: i32,
  dim: i32,
  start: i32,
  rotary: i32,
  interleaved: bool,
  sign: f32,
): void {
  const half = rotary >> 1;
  for (let t = 0; t < tokens; t++) {
    const at = (<usize>(load<i32>(positions + ((<usize>t) << 2)) * half)) << 2;
    const c = cos + at;
    const s = sin + at;
    for (let h = 0; h < heads; h++) {
      for (let j = 0; j < start; j++) store<f32>(y + ((<usize>j) << 2), load<f32>(x + ((<usize>j) << 2)));
      for (let j = start + rotary; j < dim; j++) store<f32>(y + ((<usize>j) << 2), load<f32>(x + ((<usize>j) << 2)));
      const from = x + ((<usize>start) << 2);
      const to = y + ((<usize>start) << 2);
      if (interleaved) {
        for (let j = 0; j < half; j++) {
          const cc = load<f32>(c + ((<usize>j) << 2));
          const ss = load<f32>(s + ((<usize>j) << 2)) * sign;
          const a = load<f32>(from + ((<usize>j) << 3));
          const b = load<f32>(from + ((<usize>j) << 3), 4);
          store<f32>(to + ((<usize>j) << 3), a * cc - b * ss);
          store<f32>(to + ((<usize>j) << 3), b * cc + a * ss, 4);
        }
      } else {
        let j = 0;
        const signs = f32x4.splat(sign);
        for (; j + 4 <= half; j += 4) {
          const o = (<usize>j) << 2;
          const o2 = (<usize>(j + half)) << 2;
          const cc = v128.load(c + o);
          const ss = f32x4.mul(v128.load(s + o), signs);
          const a = v128.load(from + o);
          const b = v128.load(from + o2);
          v128.store(to + o, f32x4.sub(f32x4.mul(a, cc), f32x4.mul(b, ss)));
          v128.store(to + o2, f32x4.add(f32x4.mul(b, cc), f32x4.mul(a, ss)));
        }
        for (; j < half; j++) {
          const o = (<usize>j) << 2;
          const o2 = (<usize>(j + half)) << 2;
          const cc = load<f32>(c + o);
          const ss = load<f32>(s + o) * sign;
          const a = load<f32>(from + o);
          const b = load<f32>(from + o2);
          store<f32>(to + o, a * cc - b * ss);
          store<f32>(to + o2, b * cc + a * ss);
        }
      }
      x += (<usize>dim) << 2;
      y += (<usize>dim) << 2;
    }
  }
}
