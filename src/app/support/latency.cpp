#include "app/support/latency.hpp"

#include <algorithm>
#include <chrono>
#include <sys/resource.h>

#include <fmt/format.h>

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "data/random.hpp"
#include "import/import.hpp"
#include "run/session.hpp"

namespace hone::app {

namespace {
using Clock = std::chrono::steady_clock;

double milliseconds(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Runs for the time given and at least `least` times; returns milliseconds, sorted.
std::vector<double> measure(Session& session, std::span<const Tensor> inputs, std::span<Tensor> outputs, double seconds,
                            size_t least) {
  std::vector<double> times;
  times.reserve(4096);
  auto begin = Clock::now();
  while (times.size() < least || milliseconds(begin) < 1000 * seconds) {
    auto start = Clock::now();
    session.run(inputs, outputs);
    times.push_back(milliseconds(start));
    check_interrupt("bench");
  }
  std::sort(times.begin(), times.end());
  return times;
}
}  // namespace

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

Dims concrete_dims(const Graph& model, const Value& input, int64_t batch, const std::optional<ImageSize>& size) {
  const Shape& shape = input.shape();
  if (input.dtype() == DType::string)
    throw Error("input '" + input.name + "'", "is " + to_string(input.type) + ", and there are no random texts",
                "run this model with hone::Session");
  if (!shape.ranked)
    throw Error("input '" + input.name + "'", "has no known rank", "this model cannot be run with random input");
  bool pixels = takes_images(model);
  bool image = pixels || (shape.rank() == 4 && (shape[1] == Dim(3) || shape[1] == Dim(1)));
  int64_t height = 224, width = 224;
  if (auto preprocess = attached_preprocess(model); pixels && preprocess) {
    height = preprocess->height;
    width = preprocess->width;
  }
  if (size) {
    height = size->height;
    width = size->width;
  }
  Dims dims;
  for (int i = 0; i < shape.rank(); ++i) {
    const Dim& dim = shape[static_cast<size_t>(i)];
    int64_t wanted = -1;  // for this axis, when it is open
    if (i == 0) wanted = batch;
    if (image && i == (pixels ? 1 : 2)) wanted = height;
    if (image && i == (pixels ? 2 : 3)) wanted = width;
    bool asked = (i == 0 && batch != 1) || (i > 0 && wanted > 0 && size);
    if (dim.known() && asked && dim.value != wanted)
      throw Error("input '" + input.name + "'",
                  fmt::format("is {}, asked for size {} on axis {}", to_string(input.type), wanted, i),
                  i == 0 ? "leave --batch out, or make a model for this batch with hone convert --batch"
                         : "leave --size out");
    if (!dim.known() && wanted < 0)
      throw Error("input '" + input.name + "'",
                  fmt::format("is {}: axis {} has no known size", to_string(input.type), i),
                  "only batch and image sizes can be chosen");
    dims.push_back(dim.known() ? dim.value : wanted);
  }
  return dims;
}

Tensor random_tensor(DType dtype, const Dims& dims, uint64_t seed) {
  Tensor tensor(dtype, dims);
  Rng rng(seed);
  dispatch(dtype, [&]<class T>(T) {
    for (T& value : tensor.mutable_data<T>()) {
      if (is_float(dtype)) value = static_cast<T>(static_cast<float>(rng.uniform(-1, 1)));
      else if (size_of(dtype) == 1 && dtype != DType::boolean)
        value = static_cast<T>(static_cast<float>(rng.below(256)));
      else value = static_cast<T>(static_cast<float>(rng.below(2)));
    }
  });
  return tensor;
}

namespace {

/// The inputs of a loaded model, if all their sizes are fixed.
std::optional<std::vector<Port>> fixed_inputs(const PlanSource& source, const LatencyOptions& options) {
  if (options.batch != 1 || options.size) return std::nullopt;
  for (const Port& port : source.inputs())
    if (!port.shape.is_static()) return std::nullopt;
  return source.inputs();
}

}  // namespace

std::shared_ptr<PlanSource> load_for_bench(const std::filesystem::path& path, const LatencyOptions& options,
                                           std::vector<Port>& inputs) {
  if (!options.device.cache_dir.empty()) {
    auto source = load_file(path, [path] { return import_model(path); }, options.device);
    if (auto fixed = fixed_inputs(*source, options)) {
      inputs = *fixed;
      return source;
    }
  }
  Graph model = import_model(path);
  for (const Value* input : model.inputs())
    inputs.push_back({input->name, input->dtype(), Shape(concrete_dims(model, *input, options.batch, options.size))});
  return load(std::move(model), options.device);
}

Latency measure_latency(const std::filesystem::path& path, const LatencyOptions& options) {
  Latency result;
  result.threads = options.device.threads > 0 ? options.device.threads : cpu_features().cores;
  auto begin = Clock::now();
  Session session(load_for_bench(path, options, result.inputs));
  std::vector<Tensor> inputs;
  for (const Port& input : result.inputs)
    inputs.push_back(random_tensor(input.dtype, input.shape.concrete(), 1 + inputs.size()));
  result.load_ms = milliseconds(begin);

  begin = Clock::now();
  std::vector<Tensor> outputs = session.run(inputs);
  result.first_ms = milliseconds(begin);
  measure(session, inputs, outputs, std::min(0.2, options.seconds / 10), 3);  // caches and clock rates settle
  std::vector<double> times = measure(session, inputs, outputs, options.seconds, 5);
  result.runs = static_cast<int64_t>(times.size());
  result.median_ms = times[times.size() / 2];
  result.best_ms = times.front();
  result.p90_ms = times[(times.size() * 9 + 9) / 10 - 1];
  result.throughput = options.batch * 1000 / result.median_ms;
  result.plan = session.plan();
  result.arena_mb = static_cast<double>(result.plan->arena_bytes()) / 1e6;
  result.weights_mb = static_cast<double>(result.plan->weight_bytes()) / 1e6;
  if (options.profile) {
    session.set_profiling(true);
    measure(session, inputs, outputs, options.seconds / 2, 5);
    result.times = session.times();
  }
  result.peak_memory_mb = peak_memory_mb();
  return result;
}

}  // namespace hone::app
