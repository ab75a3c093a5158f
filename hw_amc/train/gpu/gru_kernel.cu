// Forward and backward pass of a GRU (reset_after, hard gates), float or quantised, for training on a GPU: what
// ../gru_kernel.cc computes, in the same gate order z, r, h and with the same saturations.
//
// One block walks through all of time with kRows frames and 3H threads; the weights that a thread needs stay in its
// registers. A thread has two parts in turn: a column of the recurrent product for all frames of the block, and the
// gates of one unit of one frame. The product of the inputs, m_x = x W + bi, comes from outside, where it is one large
// matrix product; so do the sums over time that the weights' gradients are.
//
// H (UNITS) is known at compile time. Without nvcc the same text compiles as C++ against a stand-in for threads and
// barriers, with which the tests run it.
#ifdef __CUDACC__
#include <cuda_runtime.h>
#define LAUNCH(kernel, blocks, threads, stream, ...) \
  kernel<<<blocks, threads, 0, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__)
#define LAST_ERROR() static_cast<int>(cudaGetLastError())
#endif

namespace {

constexpr int H = UNITS;
constexpr int kRows = 3;  // frames a block: then every thread has one unit of one frame
constexpr int kThreads = kRows * H;

struct Grid {  // levels per unit; 0 = plain float
  float gate, candidate, state;
};

__device__ inline float clip(float v, float low, float high) { return fminf(fmaxf(v, low), high); }

// Rounded half to even onto a grid, kept below the upper end.
__device__ inline float rounded(float v, float levels, float low) {
  return clip(rintf(v * levels) / levels, low, 1.0f - 1.0f / levels);
}

__device__ inline long at(int frame, int t, int T) { return (long(frame) * T + t); }

template <bool kQuantised>
__global__ void __launch_bounds__(kThreads)
    forward(int B, int T, Grid q, const float* m_x, const float* U, const float* br, float* h_out, float* saved) {
  __shared__ float h[kRows][H];
  __shared__ float m_h[kRows][3 * H];
  const int column = threadIdx.x, row = threadIdx.x / H, unit = threadIdx.x % H;
  const int frame = blockIdx.x * kRows + row;
  const bool present = frame < B;
  float u[H];
#pragma unroll
  for (int k = 0; k < H; ++k) u[k] = U[k * 3 * H + column];
  const float bias = br[column];
  h[row][unit] = 0.0f;
  __syncthreads();
  for (int t = 0; t < T; ++t) {
    float in[3] = {0.0f, 0.0f, 0.0f};
    if (present)
      for (int g = 0; g < 3; ++g) in[g] = m_x[at(frame, t, T) * 3 * H + g * H + unit];  // arrives during the product
    float sum[kRows];
    for (int i = 0; i < kRows; ++i) sum[i] = bias;
#pragma unroll
    for (int k = 0; k < H; ++k)
      for (int i = 0; i < kRows; ++i) sum[i] += h[i][k] * u[k];
    for (int i = 0; i < kRows; ++i) m_h[i][column] = sum[i];
    __syncthreads();
    const float m = m_h[row][2 * H + unit], before = h[row][unit];
    float z = clip((in[0] + m_h[row][unit]) * 0.5f + 0.5f, 0.0f, 1.0f);
    float r = clip((in[1] + m_h[row][H + unit]) * 0.5f + 0.5f, 0.0f, 1.0f);
    float c, after;
    if (kQuantised) {
      z = rounded(z, q.gate, 0.0f);
      r = rounded(r, q.gate, 0.0f);
      // Keras rounds the product and the sum; fused into one they would round once.
      c = rounded(clip(__fadd_rn(in[2], __fmul_rn(r, m)), -1.0f, 1.0f), q.candidate, -1.0f);
      after = rounded(z * before + (1.0f - z) * c, q.state, -1.0f);
    } else {
      c = clip(in[2] + r * m, -1.0f, 1.0f);
      after = c + z * (before - c);
    }
    h[row][unit] = after;
    if (present) {
      h_out[at(frame, t, T) * H + unit] = after;
      if (saved) {
        float* p = saved + at(frame, t, T) * 4 * H + unit;
        p[0] = z, p[H] = r, p[2 * H] = c, p[3 * H] = m;
      }
    }
    __syncthreads();
  }
}

// `kept` holds z, r, c and m_h,h; it gets the gradients of m_h,z, m_h,r, m_h,h and m_x,h in their place.
__global__ void __launch_bounds__(kThreads)
    backward(int B, int T, float gate_top, float candidate_top, const float* U, const float* h_out,
             const float* dh_out, float* kept) {
  __shared__ float d[kRows][3 * H];
  __shared__ float part[3][kRows][H];  // of the gradient of the state before, by the gate that it comes through
  const int row = threadIdx.x / H, unit = threadIdx.x % H;
  const int gate = row, state = unit;  // in the product
  const int frame = blockIdx.x * kRows + row;
  const bool present = frame < B;
  float u[H];
#pragma unroll
  for (int j = 0; j < H; ++j) u[j] = U[state * 3 * H + gate * H + j];
  for (int i = 0; i < kRows; ++i) part[gate][i][state] = 0.0f;
  float through = 0.0f;  // what reaches the state before straight through z
  __syncthreads();
  for (int t = T - 1; t >= 0; --t) {
    float dz = 0.0f, dr = 0.0f, dm = 0.0f, dc = 0.0f;
    if (present) {
      float* p = kept + at(frame, t, T) * 4 * H + unit;
      const float z = p[0], r = p[H], c = p[2 * H], m = p[3 * H];
      const float before = t > 0 ? h_out[at(frame, t - 1, T) * H + unit] : 0.0f;
      const float dh = dh_out[at(frame, t, T) * H + unit] + through + part[0][row][unit] + part[1][row][unit] +
                       part[2][row][unit];
      if (c > -1.0f && c < candidate_top) dc = dh * (1.0f - z);
      if (z > 0.0f && z < gate_top) dz = dh * (before - c) * 0.5f;
      if (r > 0.0f && r < gate_top) dr = dc * m * 0.5f;
      dm = dc * r;
      through = dh * z;
      p[0] = dz, p[H] = dr, p[2 * H] = dm, p[3 * H] = dc;
    }
    d[row][unit] = dz, d[row][H + unit] = dr, d[row][2 * H + unit] = dm;
    __syncthreads();
    float sum[kRows] = {};
#pragma unroll
    for (int j = 0; j < H; ++j)
      for (int i = 0; i < kRows; ++i) sum[i] += d[i][gate * H + j] * u[j];
    for (int i = 0; i < kRows; ++i) part[gate][i][state] = sum[i];
    __syncthreads();
  }
}

}  // namespace

extern "C" {

// All arrays are on the device, row-major: m_x (B,T,3H), U (H,3H), br (3H), h_out (B,T,H), saved (B,T,4,H) or null.
// levels: {gate, candidate, state} per unit, on the host, or null for plain floats. Returns CUDA's error, 0 for none.
int gru_forward(int B, int T, const float* levels, const float* m_x, const float* U, const float* br, float* h_out,
                float* saved, void* stream) {
  const Grid q = levels ? Grid{levels[0], levels[1], levels[2]} : Grid{0.0f, 0.0f, 0.0f};
  const int blocks = (B + kRows - 1) / kRows;
  if (levels)
    LAUNCH(forward<true>, blocks, kThreads, stream, B, T, q, m_x, U, br, h_out, saved);
  else
    LAUNCH(forward<false>, blocks, kThreads, stream, B, T, q, m_x, U, br, h_out, saved);
  return LAST_ERROR();
}

// Gradients go straight through every rounding and stop where a gate or the candidate saturates.
int gru_backward(int B, int T, const float* levels, const float* U, const float* h_out, const float* dh_out, float* kept,
                 void* stream) {
  const float gate_top = levels ? 1.0f - 1.0f / levels[0] : 1.0f;
  const float candidate_top = levels ? 1.0f - 1.0f / levels[1] : 1.0f;
  LAUNCH(backward, (B + kRows - 1) / kRows, kThreads, stream, B, T, gate_top, candidate_top, U, h_out, dh_out, kept);
  return LAST_ERROR();
}

}  // extern "C"
