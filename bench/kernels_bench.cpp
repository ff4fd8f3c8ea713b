// Kernels of src/kernels on one thread. Rates count a multiply and an add as two.
#include <benchmark/benchmark.h>

#include <new>
#include <vector>

#include "kernels/depthwise.hpp"

namespace hone::kernels {
namespace {

/// Memory as the runtime's arena gives it: on cache lines.
template <class T>
struct Aligned {
  using value_type = T;
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64))); }
  void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t(64)); }
  bool operator==(const Aligned&) const { return true; }
};
template <class T>
using Buffer = std::vector<T, Aligned<T>>;

void rate(benchmark::State& state, double operations, double bytes) {
  const double runs = static_cast<double>(state.iterations());
  using C = benchmark::Counter;
  if (operations > 0) state.counters["GOP/s"] = C(operations * runs * 1e-9, C::kIsRate);
  state.counters["GB/s"] = C(bytes * runs * 1e-9, C::kIsRate);
}

DepthwiseShape shape_of(const benchmark::State& state) {
  DepthwiseShape s;
  s.height = s.width = state.range(0);
  s.channels = state.range(1);
  s.kernel_h = s.kernel_w = static_cast<int>(state.range(2));
  s.stride_h = s.stride_w = static_cast<int>(state.range(3));
  s.pad_top = s.pad_left = s.kernel_h / 2;
  s.out_height = s.out_width = (s.height - 1) / s.stride_h + 1;
  return s;
}

double operations(const DepthwiseShape& s) {
  return 2.0 * s.out_height * s.out_width * s.channels * s.kernel_h * s.kernel_w;
}
double elements(const DepthwiseShape& s) {
  return static_cast<double>((s.height * s.width + s.out_height * s.out_width) * s.channels);
}

void depthwise_f32(benchmark::State& state, Isa isa) {
  if (!isa_available(isa)) return state.SkipWithError("this CPU lacks the instruction set");
  const DepthwiseShape s = shape_of(state);
  Buffer<float> x(s.height * s.width * s.channels, 1.5f), w(s.channels * s.kernel_h * s.kernel_w, 0.5f);
  Buffer<float> y(s.out_height * s.out_width * s.channels), scale(s.channels, 1), bias(s.channels, 0.1f);
  Epilogue e;
  e.bias = bias.data();
  e.act = {Act::clip, 0, 6};
  const auto& kernels = depthwise_f32_kernels(isa);
  for (auto _ : state) kernels.run(s, x.data(), w.data(), e, y.data(), 0, s.out_height);
  rate(state, operations(s), elements(s) * 4);
}

void depthwise_int8(benchmark::State& state, Isa isa) {
  if (!isa_available(isa)) return state.SkipWithError("this CPU lacks the instruction set");
  const DepthwiseShape s = shape_of(state);
  Buffer<uint8_t> x(s.height * s.width * s.channels, 77), y(s.out_height * s.out_width * s.channels);
  Buffer<int8_t> w(s.channels * s.kernel_h * s.kernel_w, 5);
  Buffer<float> scale(s.channels, 0.01f), bias(s.channels, 0.1f);
  Epilogue e;
  e.scale = scale.data();
  e.bias = bias.data();
  e.act = {Act::clip, 0, 6};
  e.out_type = DType::u8;
  e.out_inverse_scale = 40;
  const auto& kernels = depthwise_int8_kernels(isa);
  Buffer<uint8_t> packed(kernels.packed_bytes(s));
  kernels.pack(s, w.data(), DType::u8, 0, packed.data());
  for (auto _ : state) kernels.run(s, x.data(), DType::u8, 0, packed.data(), e, y.data(), 0, s.out_height);
  rate(state, operations(s), elements(s));
}

void mobilenet(benchmark::internal::Benchmark* b) {
  b->ArgNames({"size", "channels", "kernel", "stride"})->Unit(benchmark::kMicrosecond);
  const int shapes[][3] = {{112, 32, 1}, {112, 96, 2}, {56, 144, 1}, {56, 144, 2}, {28, 192, 1},
                           {28, 192, 2}, {14, 384, 1}, {14, 576, 2}, {7, 960, 1}};
  for (const auto& s : shapes) b->Args({s[0], s[1], 3, s[2]});
  b->Args({28, 120, 5, 1})->Args({28, 240, 5, 2})->Args({14, 672, 5, 1})->Args({14, 384, 7, 1});
}
BENCHMARK_CAPTURE(depthwise_f32, generic, Isa::generic)->Apply(mobilenet);
BENCHMARK_CAPTURE(depthwise_f32, avx2, Isa::avx2)->Apply(mobilenet);
BENCHMARK_CAPTURE(depthwise_f32, avx512, Isa::avx512)->Apply(mobilenet);
BENCHMARK_CAPTURE(depthwise_int8, generic, Isa::generic)->Apply(mobilenet);
BENCHMARK_CAPTURE(depthwise_int8, avx2, Isa::avx2)->Apply(mobilenet);
BENCHMARK_CAPTURE(depthwise_int8, avx512, Isa::avx512)->Apply(mobilenet);
BENCHMARK_CAPTURE(depthwise_int8, vnni, Isa::vnni)->Apply(mobilenet);

}  // namespace
}  // namespace hone::kernels
