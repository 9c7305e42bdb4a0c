// The transforms of Winograd convolution F(4, 3) with the points 0, ±POINT_A, ±POINT_B and ∞, applied to one row of a tile; the matrices
// are those of src/ops/lib/winograd.ts. Of a pair ±a the even and the odd part of the polynomial are computed once.

const a = POINT_A;
const b = POINT_B;
const aa = a * a;
const bb = b * b;

alias Line = array<f32, 6>;

// Bᵀ d: coefficients of Π (t − aⱼ) without one point each.
fn transformInput(d: Line) -> Line {
  let evenA = d[4] - bb * d[2];
  let oddA = a * (d[3] - bb * d[1]);
  let evenB = d[4] - aa * d[2];
  let oddB = b * (d[3] - aa * d[1]);
  return Line(
    aa * bb * d[0] - (aa + bb) * d[2] + d[4],
    evenA + oddA, evenA - oddA,
    evenB + oddB, evenB - oddB,
    aa * bb * d[1] - (aa + bb) * d[3] + d[5],
  );
}

// G g: values at the points, each divided by Π (aᵢ − aⱼ).
fn transformFilter(g: vec3<f32>) -> Line {
  const scaleA = 1.0 / (2.0 * aa * (aa - bb));
  const scaleB = 1.0 / (2.0 * bb * (bb - aa));
  let evenA = g.x + aa * g.z;
  let oddA = a * g.y;
  let evenB = g.x + bb * g.z;
  let oddB = b * g.y;
  return Line(
    g.x / (aa * bb),
    scaleA * (evenA + oddA), scaleA * (evenA - oddA),
    scaleB * (evenB + oddB), scaleB * (evenB - oddB),
    g.z,
  );
}

// Aᵀ m: powers of the points.
fn transformOutput(m: Line) -> vec4<f32> {
  let evenA = m[1] + m[2];
  let oddA = m[1] - m[2];
  let evenB = m[3] + m[4];
  let oddB = m[3] - m[4];
  return vec4<f32>(m[0] + evenA + evenB, a * oddA + b * oddB, aa * evenA + bb * evenB, aa * a * oddA + bb * b * oddB + m[5]);
}
