// Kernels of src/kernels on one thread. Rates count a multiply and an add as two.
#include <benchmark/benchmark.h>

#include <new>
#include <vector>

#include "kernels/depthwise.hpp"
#include "kernels/image.hpp"
#include "kernels/pool.hpp"

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
  kernels.pack(s, w.data(), DType::u8, 0, nullptr, packed.data());
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

// The rest on the best instruction set. 28 x 28 x 192 unless said otherwise.
constexpr int64_t kPixels = 28 * 28, kChannels = 192, kCount = kPixels * kChannels;

void add_int8(benchmark::State& state) {
  Buffer<uint8_t> a(kCount, 3), b(kCount, 200), y(kCount);
  BinaryJob job;
  job.a = {a.data(), DType::u8, 0.02f, 3};
  job.b = {b.data(), DType::u8, 0.03f, 120};
  job.target = {DType::u8, 0.03f, 100};
  job.channels = kChannels;
  for (auto _ : state) elementwise_kernels().binary(job, y.data(), 0, kPixels);
  rate(state, 0, 3.0 * kCount);
}
BENCHMARK(add_int8);

void gate_f32(benchmark::State& state) {
  Buffer<float> a(kCount, 3), b(kChannels, 0.5f), y(kCount);
  BinaryJob job;
  job.op = Binary::mul;
  job.broadcast = Broadcast::gate;
  job.a.data = a.data(), job.b.data = b.data();
  job.channels = kChannels, job.rows_per_image = kPixels;
  for (auto _ : state) elementwise_kernels().binary(job, y.data(), 0, kPixels);
  rate(state, 0, 8.0 * kCount);
}
BENCHMARK(gate_f32);

void activation_f32(benchmark::State& state, Act kind) {
  Buffer<float> x(kCount, 0.3f), y(kCount);
  for (auto _ : state) elementwise_kernels().convert({{x.data()}, {kind, 1, 0}, {}}, y.data(), 0, kCount);
  rate(state, 0, 8.0 * kCount);
}
BENCHMARK_CAPTURE(activation_f32, hard_swish, Act::hard_swish);
BENCHMARK_CAPTURE(activation_f32, swish, Act::swish);
BENCHMARK_CAPTURE(activation_f32, gelu, Act::gelu);

void quantize(benchmark::State& state) {
  Buffer<float> x(kCount, 0.3f);
  Buffer<uint8_t> y(kCount);
  for (auto _ : state) elementwise_kernels().convert({{x.data()}, {}, {DType::u8, 40, 7}}, y.data(), 0, kCount);
  rate(state, 0, 5.0 * kCount);
}
BENCHMARK(quantize);

void lookup(benchmark::State& state) {
  Buffer<uint8_t> x(kCount, 5), y(kCount), table(256, 9);
  for (auto _ : state) elementwise_kernels().lookup(table.data(), x.data(), y.data(), 0, kCount);
  rate(state, 0, 2.0 * kCount);
}
BENCHMARK(lookup);

void max_pool_u8(benchmark::State& state) {  // 3 x 3, stride 2
  Buffer<uint8_t> x(kCount, 5), y(kCount / 4);
  const PoolShape s{28, 28, kChannels, 14, 14, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0};
  for (auto _ : state) pool_kernels().max(s, DType::u8, x.data(), y.data(), 0, 14);
  rate(state, 0, 1.25 * kCount);
}
BENCHMARK(max_pool_u8);

void global_average_u8(benchmark::State& state) {
  Buffer<uint8_t> x(kCount, 5), y(kChannels);
  const Operand operand{x.data(), DType::u8, 0.1f, 3};
  for (auto _ : state)
    pool_kernels().global_average(kPixels, kChannels, operand, {DType::u8, 10, 3}, y.data(), 0,
                                  global_units(kChannels));
  rate(state, 0, kCount);
}
BENCHMARK(global_average_u8);

void softmax(benchmark::State& state) {
  Buffer<float> x(1000, 0.3f), y(1000);
  for (auto _ : state) pool_kernels().softmax(x.data(), y.data(), 1000, false, 0, 1);
  rate(state, 0, 8000);
}
BENCHMARK(softmax);

/// From height x width to 224 x 224 x 3, f32.
void image(benchmark::State& state) {
  ImageSpec spec;
  spec.height = state.range(0), spec.width = state.range(1);
  spec.out_height = spec.out_width = 224;
  spec.antialias = state.range(2);
  const ImagePlan plan(spec);
  Buffer<uint8_t> x(spec.height * spec.width * 3, 5);
  Buffer<float> y(224 * 224 * 3), scratch(plan.scratch_floats);
  for (auto _ : state) plan.run(x.data(), 0, y.data(), scratch.data(), 0, 224);
  rate(state, 0, static_cast<double>(x.size() + 4 * y.size()));
}
BENCHMARK(image)->ArgNames({"height", "width", "antialias"})->Unit(benchmark::kMicrosecond)->Args({224, 224, 0})
    ->Args({512, 384, 0})->Args({512, 384, 1})->Args({1080, 1920, 1});

}  // namespace
}  // namespace hone::kernels
