// Forward and backward pass of a GRU (reset_after, hard gates), float or quantised, for training on a CPU.
//
// Shapes are row-major: x (B,T,D), W (D,3H), U (H,3H), bi and br (3H), gates in Keras' order z, r, h.
//   m_x = x W + bi          m_h = h U + br
//   z, r = hs(m_x + m_h)    hs(a) = clip(a/2 + 1/2, 0, 1)
//   c    = clip(m_x,h + r m_h,h, -1, 1)
//   h'   = z h + (1 - z) c
// With quantisation every gate, the candidate and the state are rounded half to even onto their grid; all
// values are then multiples of powers of two and the order of the sums does not matter.
//
// The batch is cut into blocks of kRows frames; a block walks through time on one thread while the weights
// stay in its L2 cache. `saved` keeps, per block and time step, z, r, c and m_h,h for the backward pass.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr int kLanes = 16;   // floats a vector
constexpr int kRows = 16;    // frames a block
constexpr int kTile = 8;     // frames a register tile
using Vec = float __attribute__((vector_size(kLanes * sizeof(float))));
using Unaligned = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));

struct Shape {
  int B, T, D, H;
  int vectors() const { return (H + kLanes - 1) / kLanes; }
  int padded() const { return vectors() * kLanes; }
  int blocks() const { return (B + kRows - 1) / kRows; }
  size_t step() const { return size_t(4) * kRows * padded(); }  // saved floats a block and time step
};

struct Grid {  // levels per unit; 0 = plain float
  float gate, candidate, state;
};

inline Vec load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<Unaligned*>(p) = v; }
inline Vec splat(float s) { return s + Vec{}; }
inline Vec clip(Vec v, Vec low, Vec high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}
// Half to even for |v| < 2^22: the sum has no bits left below one.
inline Vec round_even(Vec v) {
  const float magic = 12582912.0f;
  return (v + magic) - magic;
}
// Keeps the compiler from fusing a product into the sum that follows it: Keras rounds both.
inline Vec rounded_product(Vec a, Vec b) {
  Vec p = a * b;
#if defined(__x86_64__) && defined(__AVX512F__)
  asm("" : "+v"(p));
#else
  for (int i = 0; i < kLanes; ++i) asm("" : "+m"(p[i]));
#endif
  return p;
}

// ---- weights in the order in which the tiles read them, padded with zeros --------------------------------

std::vector<float> pack_rows(const float* m, int rows, const Shape& s) {  // (rows,3H) -> [vector][row][gate][lane]
  std::vector<float> out(size_t(s.vectors()) * rows * 3 * kLanes, 0.0f);
  for (int k = 0; k < rows; ++k)
    for (int g = 0; g < 3; ++g)
      for (int i = 0; i < s.H; ++i)
        out[((size_t(i / kLanes) * rows + k) * 3 + g) * kLanes + i % kLanes] = m[(size_t(k) * 3 + g) * s.H + i];
  return out;
}

std::vector<float> pack_transposed(const float* m, int rows, int padded_rows, const Shape& s) {
  // (rows,3H) -> [gate][padded H][padded rows]
  std::vector<float> out(size_t(3) * s.padded() * padded_rows, 0.0f);
  for (int k = 0; k < rows; ++k)
    for (int g = 0; g < 3; ++g)
      for (int i = 0; i < s.H; ++i)
        out[(size_t(g) * s.padded() + i) * padded_rows + k] = m[(size_t(k) * 3 + g) * s.H + i];
  return out;
}

// ---- forward -------------------------------------------------------------------------------------------

struct Forward {
  Shape s;
  Grid q;
  const float *x, *bias_in, *bias_rec, *W, *U;  // packed
  float *h_out, *saved;
};

template <bool Quantised>
void forward_tile(const Forward& f, int j, const float* xs, const float* h, float* h_next, float* saved) {
  const Shape& s = f.s;
  const int Hp = s.padded();
  const float* bi = f.bias_in + size_t(j) * 3 * kLanes;
  const float* br = f.bias_rec + size_t(j) * 3 * kLanes;
  Vec az[kTile], ar[kTile], ah[kTile];
  const Vec bz = load(bi) + load(br), bR = load(bi + kLanes) + load(br + kLanes), bh = load(br + 2 * kLanes);
  for (int i = 0; i < kTile; ++i) az[i] = bz, ar[i] = bR, ah[i] = bh;
  const float* u = f.U + size_t(j) * s.H * 3 * kLanes;
  for (int k = 0; k < s.H; ++k, u += 3 * kLanes) {
    const Vec uz = load(u), ur = load(u + kLanes), uh = load(u + 2 * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kTile; ++i) {
      const float v = h[i * Hp + k];
      az[i] += uz * v;
      ar[i] += ur * v;
      ah[i] += uh * v;
    }
  }
  const Vec zero = splat(0.0f), one = splat(1.0f);
#pragma GCC unroll 8
  for (int i = 0; i < kTile; ++i) {
    Vec xc = load(bi + 2 * kLanes), z = az[i], r = ar[i];
    for (int d = 0; d < s.D; ++d) {
      const float* w = f.W + (size_t(j) * s.D + d) * 3 * kLanes;
      const float v = xs[i * s.D + d];
      z += load(w) * v;
      r += load(w + kLanes) * v;
      xc += load(w + 2 * kLanes) * v;
    }
    z = clip(z * 0.5f + 0.5f, zero, one);
    r = clip(r * 0.5f + 0.5f, zero, one);
    const Vec before = load(h + i * Hp + j * kLanes);
    Vec c, after;
    if (Quantised) {
      const Vec top = splat(1.0f - 1.0f / f.q.gate);
      z = clip(round_even(z * f.q.gate) / f.q.gate, zero, top);
      r = clip(round_even(r * f.q.gate) / f.q.gate, zero, top);
      c = clip(xc + rounded_product(r, ah[i]), -one, one);
      c = clip(round_even(c * f.q.candidate) / f.q.candidate, -one, splat(1.0f - 1.0f / f.q.candidate));
      after = z * before + (1.0f - z) * c;
      after = clip(round_even(after * f.q.state) / f.q.state, -one, splat(1.0f - 1.0f / f.q.state));
    } else {
      c = clip(xc + r * ah[i], -one, one);
      after = c + z * (before - c);
    }
    store(h_next + i * Hp + j * kLanes, after);
    if (saved) {
      float* p = saved + size_t(i) * Hp + j * kLanes;
      const size_t plane = size_t(kRows) * Hp;
      store(p, z), store(p + plane, r), store(p + 2 * plane, c), store(p + 3 * plane, ah[i]);
    }
  }
}

void read_inputs(const Shape& s, const float* x, int first, int t, float* xs) {
  for (int i = 0; i < kRows; ++i)
    for (int d = 0; d < s.D; ++d)
      xs[i * s.D + d] = first + i < s.B ? x[(size_t(first + i) * s.T + t) * s.D + d] : 0.0f;
}

template <bool Quantised>
void forward_block(const Forward& f, int block) {
  const Shape& s = f.s;
  const int Hp = s.padded(), first = block * kRows, rows = std::min(kRows, s.B - first);
  std::vector<float> state(size_t(2) * kRows * Hp, 0.0f), xs(size_t(kRows) * s.D);
  for (int t = 0; t < s.T; ++t) {
    const float* h = state.data() + size_t(t & 1) * kRows * Hp;
    float* h_next = state.data() + size_t(~t & 1) * kRows * Hp;
    float* saved = f.saved ? f.saved + (size_t(block) * s.T + t) * s.step() : nullptr;
    read_inputs(s, f.x, first, t, xs.data());
    for (int j = 0; j < s.vectors(); ++j)
      for (int i = 0; i < rows; i += kTile)
        forward_tile<Quantised>(f, j, xs.data() + i * s.D, h + i * Hp, h_next + i * Hp,
                                saved ? saved + size_t(i) * Hp : nullptr);
    for (int i = 0; i < rows; ++i)
      std::memcpy(f.h_out + (size_t(first + i) * s.T + t) * s.H, h_next + i * Hp, s.H * sizeof(float));
  }
}

// ---- backward ------------------------------------------------------------------------------------------

struct Backward {
  Shape s;
  float gate_top, candidate_top;  // where the gates and the candidate saturate
  const float *x, *h_out, *saved, *dh_out, *Ut, *Wt;
  float* dx;  // may be null
};

struct Gradients {  // one a block; U as [k][3 Hp], the rest [row][3 Hp]
  std::vector<float> U, W, bi, br;
  explicit Gradients(const Shape& s)
      : U(size_t(s.padded()) * 3 * s.padded(), 0.0f), W(size_t(s.D) * 3 * s.padded(), 0.0f),
        bi(size_t(3) * s.padded(), 0.0f), br(size_t(3) * s.padded(), 0.0f) {}
};

struct Scratch {
  std::vector<float> dh, d, dxc, h, xs;  // d: gradients of z, r and m_h,h: [row][3 Hp]; dxc: of m_x,h
  explicit Scratch(const Shape& s)
      : dh(size_t(kRows) * s.padded(), 0.0f), d(size_t(kRows) * 3 * s.padded(), 0.0f),
        dxc(size_t(kRows) * s.padded(), 0.0f), h(size_t(kRows) * s.padded(), 0.0f), xs(size_t(kRows) * s.D) {}
};

void gate_gradients(const Backward& b, const float* saved, int rows, Scratch& w, Gradients& g) {
  const Shape& s = b.s;
  const int Hp = s.padded();
  const size_t plane = size_t(kRows) * Hp;
  const Vec zero = splat(0.0f), one = splat(1.0f);
  for (int j = 0; j < Hp; j += kLanes) {
    Vec sum_z = zero, sum_r = zero, sum_m = zero, sum_c = zero;
    for (int i = 0; i < rows; ++i) {
      const float* p = saved + size_t(i) * Hp + j;
      const Vec z = load(p), r = load(p + plane), c = load(p + 2 * plane), m = load(p + 3 * plane);
      const Vec before = load(&w.h[size_t(i) * Hp + j]), dh = load(&w.dh[size_t(i) * Hp + j]);
      const Vec dc_all = dh * (one - z);
      const Vec dc = c > -one ? (c < splat(b.candidate_top) ? dc_all : zero) : zero;
      const Vec dz_all = dh * (before - c) * 0.5f, dr_all = dc * m * 0.5f, dm = dc * r;
      const Vec dz = z > zero ? (z < splat(b.gate_top) ? dz_all : zero) : zero;
      const Vec dr = r > zero ? (r < splat(b.gate_top) ? dr_all : zero) : zero;
      float* d = &w.d[size_t(i) * 3 * Hp + j];
      store(d, dz), store(d + Hp, dr), store(d + 2 * Hp, dm);
      store(&w.dxc[size_t(i) * Hp + j], dc);
      store(&w.dh[size_t(i) * Hp + j], dh * z);
      sum_z += dz, sum_r += dr, sum_m += dm, sum_c += dc;
      for (int k = 0; k < s.D; ++k) {
        float* gw = &g.W[size_t(k) * 3 * Hp + j];
        const float v = w.xs[i * s.D + k];
        store(gw, load(gw) + dz * v);
        store(gw + Hp, load(gw + Hp) + dr * v);
        store(gw + 2 * Hp, load(gw + 2 * Hp) + dc * v);
      }
    }
    float *bi = &g.bi[j], *br = &g.br[j];
    store(bi, load(bi) + sum_z), store(bi + Hp, load(bi + Hp) + sum_r);
    store(bi + 2 * Hp, load(bi + 2 * Hp) + sum_c);
    store(br, load(br) + sum_z), store(br + Hp, load(br + Hp) + sum_r);
    store(br + 2 * Hp, load(br + 2 * Hp) + sum_m);
  }
}

// dh (kTile rows, N vectors) += d (kTile, 3Hp) Ut (3Hp, Hp)
template <int N>
void state_tile(const float* d, const float* ut, float* dh, int Hp) {
  Vec acc[kTile][N];
  for (int i = 0; i < kTile; ++i)
    for (int n = 0; n < N; ++n) acc[i][n] = load(dh + i * Hp + n * kLanes);
  for (int k = 0; k < 3 * Hp; ++k, ut += Hp) {
    Vec u[N];
    for (int n = 0; n < N; ++n) u[n] = load(ut + n * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kTile; ++i) {
      const float v = d[size_t(i) * 3 * Hp + k];
#pragma GCC unroll 3
      for (int n = 0; n < N; ++n) acc[i][n] += u[n] * v;
    }
  }
  for (int i = 0; i < kTile; ++i)
    for (int n = 0; n < N; ++n) store(dh + i * Hp + n * kLanes, acc[i][n]);
}

void state_gradients(const Backward& b, int rows, Scratch& w) {
  const int Hp = b.s.padded();
  for (int j = 0; j < Hp; j += 3 * kLanes)
    for (int i = 0; i < rows; i += kTile) {
      const float* d = &w.d[size_t(i) * 3 * Hp];
      float* dh = &w.dh[size_t(i) * Hp + j];
      switch (std::min(3, (Hp - j) / kLanes)) {
        case 3: state_tile<3>(d, b.Ut + j, dh, Hp); break;
        case 2: state_tile<2>(d, b.Ut + j, dh, Hp); break;
        default: state_tile<1>(d, b.Ut + j, dh, Hp);
      }
    }
}

// gU (kTile rows k, 3 vectors) += h^T d over the block's frames
void recurrent_gradients(const Shape& s, int rows, const Scratch& w, Gradients& g) {
  const int Hp = s.padded();
  for (int j = 0; j < 3 * Hp; j += 3 * kLanes)
    for (int k = 0; k < Hp; k += kTile) {
      Vec acc[kTile][3];
      float* out = &g.U[size_t(k) * 3 * Hp + j];
      for (int i = 0; i < kTile; ++i)
        for (int n = 0; n < 3; ++n) acc[i][n] = load(out + size_t(i) * 3 * Hp + n * kLanes);
      for (int row = 0; row < rows; ++row) {
        const float* d = &w.d[size_t(row) * 3 * Hp + j];
        const float* h = &w.h[size_t(row) * Hp + k];
        const Vec d0 = load(d), d1 = load(d + kLanes), d2 = load(d + 2 * kLanes);
#pragma GCC unroll 8
        for (int i = 0; i < kTile; ++i) {
          const float v = h[i];
          acc[i][0] += d0 * v;
          acc[i][1] += d1 * v;
          acc[i][2] += d2 * v;
        }
      }
      for (int i = 0; i < kTile; ++i)
        for (int n = 0; n < 3; ++n) store(out + size_t(i) * 3 * Hp + n * kLanes, acc[i][n]);
    }
}

void input_gradients(const Backward& b, int first, int rows, int t, const Scratch& w) {
  const Shape& s = b.s;
  const int Hp = s.padded();
  for (int i = 0; i < rows; ++i)
    for (int k = 0; k < s.D; ++k) {
      Vec sum = splat(0.0f);
      for (int g = 0; g < 3; ++g) {
        const float* d = g < 2 ? &w.d[(size_t(i) * 3 + g) * Hp] : &w.dxc[size_t(i) * Hp];
        const float* wt = b.Wt + (size_t(k) * 3 + g) * Hp;
        for (int j = 0; j < Hp; j += kLanes) sum += load(d + j) * load(wt + j);
      }
      float total = 0.0f;
      for (int n = 0; n < kLanes; ++n) total += sum[n];
      b.dx[(size_t(first + i) * s.T + t) * s.D + k] = total;
    }
}

void backward_block(const Backward& b, int block, Gradients& g) {
  const Shape& s = b.s;
  const int Hp = s.padded(), first = block * kRows, rows = std::min(kRows, s.B - first);
  Scratch w(s);
  for (int t = s.T - 1; t >= 0; --t) {
    for (int i = 0; i < rows; ++i) {
      const size_t at = (size_t(first + i) * s.T + t) * s.H;
      float* dh = &w.dh[size_t(i) * Hp];
      for (int k = 0; k < s.H; ++k) dh[k] += b.dh_out[at + k];
      if (t > 0)
        std::memcpy(&w.h[size_t(i) * Hp], b.h_out + at - s.H, s.H * sizeof(float));
      else
        std::memset(&w.h[size_t(i) * Hp], 0, s.H * sizeof(float));
    }
    read_inputs(s, b.x, first, t, w.xs.data());
    gate_gradients(b, b.saved + (size_t(block) * s.T + t) * s.step(), rows, w, g);
    recurrent_gradients(s, rows, w, g);
    state_gradients(b, rows, w);
    if (b.dx) input_gradients(b, first, rows, t, w);
  }
}

template <typename Work>
void spread(int threads, int blocks, Work work) {  // threads take the next block when they are free
  std::atomic<int> next{0};
  auto loop = [&] {
    for (int block; (block = next++) < blocks;) work(block);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < std::min(threads, blocks); ++i) others.emplace_back(loop);
  loop();
  for (auto& t : others) t.join();
}

void unpack(const std::vector<float>& from, int rows, const Shape& s, float* to) {  // adds
  for (int k = 0; k < rows; ++k)
    for (int g = 0; g < 3; ++g)
      for (int i = 0; i < s.H; ++i)
        to[(size_t(k) * 3 + g) * s.H + i] += from[(size_t(k) * 3 + g) * s.padded() + i];
}

}  // namespace

extern "C" {

// Floats that `saved` must hold.
int64_t gru_saved_size(int B, int T, int H) {
  const Shape s{B, T, 0, H};
  return int64_t(s.blocks()) * T * s.step();
}

// levels: {gate, candidate, state} per unit, or null for plain float; saved may be null.
void gru_forward(int B, int T, int D, int H, int threads, const float* levels, const float* x, const float* W,
                 const float* U, const float* bi, const float* br, float* h_out, float* saved) {
  const Shape s{B, T, D, H};
  const auto pW = pack_rows(W, D, s), pU = pack_rows(U, H, s), pbi = pack_rows(bi, 1, s), pbr = pack_rows(br, 1, s);
  const Grid q = levels ? Grid{levels[0], levels[1], levels[2]} : Grid{0, 0, 0};
  const Forward f{s, q, x, pbi.data(), pbr.data(), pW.data(), pU.data(), h_out, saved};
  spread(threads, s.blocks(), [&](int block) {
    if (levels) forward_block<true>(f, block);
    else forward_block<false>(f, block);
  });
}

// Gradients are straight through every rounding and zero where a gate or the candidate saturates.
// They are added to dU, dW, dbi and dbr; dx is overwritten and may be null.
void gru_backward(int B, int T, int D, int H, int threads, const float* levels, const float* x, const float* W,
                  const float* U, const float* h_out, const float* saved, const float* dh_out, float* dW, float* dU,
                  float* dbi, float* dbr, float* dx) {
  const Shape s{B, T, D, H};
  const auto Ut = pack_transposed(U, H, s.padded(), s);
  std::vector<float> Wt(size_t(D) * 3 * s.padded(), 0.0f);
  for (int k = 0; k < D; ++k)
    for (int g = 0; g < 3; ++g)
      std::memcpy(&Wt[(size_t(k) * 3 + g) * s.padded()], W + (size_t(k) * 3 + g) * H, H * sizeof(float));
  const float gate_top = levels ? 1.0f - 1.0f / levels[0] : 1.0f;
  const float candidate_top = levels ? 1.0f - 1.0f / levels[1] : 1.0f;
  const Backward b{s, gate_top, candidate_top, x, h_out, saved, dh_out, Ut.data(), Wt.data(), dx};
  std::vector<Gradients> parts(s.blocks(), Gradients(s));
  spread(threads, s.blocks(), [&](int block) { backward_block(b, block, parts[block]); });
  for (const auto& part : parts) {  // one a block, in a fixed order: the same sums in every run
    unpack(part.U, H, s, dU);
    unpack(part.W, D, s, dW);
    unpack(part.bi, 1, s, dbi);
    unpack(part.br, 1, s, dbr);
  }
}

}  // extern "C"
