// Scale, bias and ReLU per channel, float or rounded onto an unsigned fixed-point format, forwards and backwards.
//
// Arrays are (rows, C), row-major. TensorFlow runs these as a dozen passes over memory; here each is one.
// Plain loops over the channels: the compiler turns them into vector code.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace {

constexpr int64_t kChunk = 1024;  // rows a unit of work: its float sums stay accurate

template <typename Work>
void over_chunks(int threads, int64_t rows, Work work) {  // work(chunk, first row, last row)
  const int64_t chunks = (rows + kChunk - 1) / kChunk;
  std::atomic<int64_t> next{0};
  auto loop = [&] {
    for (int64_t chunk; (chunk = next++) < chunks;)
      work(chunk, chunk * kChunk, std::min(rows, (chunk + 1) * kChunk));
  };
  std::vector<std::thread> others;
  for (int i = 1; i < std::min<int64_t>(threads, chunks); ++i) others.emplace_back(loop);
  loop();
  for (auto& t : others) t.join();
}

// Sums two arrays of per-chunk sums in a fixed order.
void reduce(const std::vector<float>& parts, int C, float* first, float* second) {
  std::vector<double> sums(size_t(2) * C, 0.0);
  for (size_t at = 0; at < parts.size(); at += size_t(2) * C)
    for (int c = 0; c < 2 * C; ++c) sums[c] += parts[at + c];
  for (int c = 0; c < C; ++c) first[c] = float(sums[c]), second[c] = float(sums[C + c]);
}

std::vector<float> parts_for(int64_t rows, int C) {
  return std::vector<float>(size_t((rows + kChunk - 1) / kChunk) * 2 * C, 0.0f);
}

}  // namespace

extern "C" {

// Sums over the rows of x and of x squared.
void column_sums(int64_t rows, int C, int threads, const float* x, float* sum, float* squares) {
  auto parts = parts_for(rows, C);
  over_chunks(threads, rows, [&](int64_t chunk, int64_t first, int64_t last) {
    float *s = &parts[chunk * 2 * C], *q = s + C;
    for (int64_t row = first; row < last; ++row) {
      const float* v = x + row * C;
#pragma GCC ivdep
      for (int c = 0; c < C; ++c) s[c] += v[c], q[c] += v[c] * v[c];
    }
  });
  reduce(parts, C, sum, squares);
}

// y = clip(x scale + bias, 0, top); with steps > 0 first rounded, half to even, to multiples of 1/steps.
void affine_relu(int64_t rows, int C, int threads, float steps, float top, const float* x, const float* scale,
                 const float* bias, float* y) {
  const float magic = 12582912.0f;  // 1.5 * 2^23: a float sum that has no bits below one
  over_chunks(threads, rows, [&](int64_t, int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const float* v = x + row * C;
      float* out = y + row * C;
      if (steps > 0) {
#pragma GCC ivdep
        for (int c = 0; c < C; ++c) {
          const float a = std::min(std::max(v[c] * scale[c] + bias[c], 0.0f), 2 * top);
          out[c] = std::min(((a * steps + magic) - magic) / steps, top);
        }
      } else {
#pragma GCC ivdep
        for (int c = 0; c < C; ++c) out[c] = std::min(std::max(v[c] * scale[c] + bias[c], 0.0f), top);
      }
    }
  });
}

// Sums over the rows of g and g x, where g = dy inside the clip and 0 where y is clipped.
void affine_relu_sums(int64_t rows, int C, int threads, float top, const float* x, const float* y, const float* dy,
                      float* sum_g, float* sum_gx) {
  auto parts = parts_for(rows, C);
  over_chunks(threads, rows, [&](int64_t chunk, int64_t first, int64_t last) {
    float *s = &parts[chunk * 2 * C], *q = s + C;
    for (int64_t row = first; row < last; ++row) {
      const float *v = x + row * C, *out = y + row * C, *d = dy + row * C;
#pragma GCC ivdep
      for (int c = 0; c < C; ++c) {
        const float g = (out[c] > 0.0f) & (out[c] < top) ? d[c] : 0.0f;
        s[c] += g, q[c] += g * v[c];
      }
    }
  });
  reduce(parts, C, sum_g, sum_gx);
}

// dx = a g + b x + c per channel, with g as above.
void affine_relu_gradient(int64_t rows, int C, int threads, float top, const float* x, const float* y,
                          const float* dy, const float* a, const float* b, const float* c_, float* dx) {
  over_chunks(threads, rows, [&](int64_t, int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const float *v = x + row * C, *out = y + row * C, *d = dy + row * C;
      float* to = dx + row * C;
#pragma GCC ivdep
      for (int c = 0; c < C; ++c) {
        const float g = (out[c] > 0.0f) & (out[c] < top) ? d[c] : 0.0f;
        to[c] = a[c] * g + b[c] * v[c] + c_[c];
      }
    }
  });
}

}  // extern "C"
