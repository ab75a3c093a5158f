// Stands in for CUDA where there is none: each thread of a block is a thread of the processor, blocks run in turn.
// For equality only: it keeps the meaning of barriers, shared memory and roundings, and none of the speed.
#pragma once
#include <barrier>
#include <cmath>
#include <thread>
#include <vector>

struct Index {
  int x;
};
inline thread_local Index threadIdx, blockIdx;
inline std::barrier<>* block_barrier;

#define __global__
#define __device__
#define __launch_bounds__(threads)
#define __shared__ static
inline void __syncthreads() { block_barrier->arrive_and_wait(); }
inline float __fmul_rn(float a, float b) {
  volatile float product = a * b;
  return product;
}
inline float __fadd_rn(float a, float b) { return a + b; }
using std::fmaxf, std::fminf, std::rintf;

template <typename Body>
void run_blocks(int blocks, int threads, Body body) {
  for (int block = 0; block < blocks; ++block) {
    std::barrier<> barrier(threads);
    block_barrier = &barrier;
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread)
      running.emplace_back([&, thread] {
        threadIdx.x = thread;
        blockIdx.x = block;
        body();
      });
    for (auto& each : running) each.join();
  }
}
#define LAUNCH(kernel, blocks, threads, stream, ...) run_blocks(blocks, threads, [&] { kernel(__VA_ARGS__); })
#define LAST_ERROR() 0
