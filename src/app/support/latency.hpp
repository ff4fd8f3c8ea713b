#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "app/support/options.hpp"
#include "plan/plan.hpp"

namespace hone::app {

struct LatencyOptions {
  DeviceOptions device;
  int batch = 1;
  double seconds = 3;
  std::optional<ImageSize> size;  ///< of image inputs that leave it open
  bool profile = false;           ///< measure each step, in further runs
};

/// Milliseconds, over the measured runs.
struct Latency {
  double median_ms = 0, best_ms = 0, p90_ms = 0;
  int64_t runs = 0;
  double throughput = 0;  ///< samples a second, at the median
  double load_ms = 0;     ///< reading the file and optimizing the graph
  double first_ms = 0;    ///< the first inference: compiling for these sizes
  double peak_memory_mb = 0;  ///< of the whole process so far (1 MB is 10^6 bytes)
  double arena_mb = 0, weights_mb = 0;
  int threads = 1;
  std::vector<Port> inputs;  ///< with concrete sizes
  std::shared_ptr<const Plan> plan;
  StepTimes times;  ///< with `profile`
};

/// Loads a model and measures inferences on random input. Throws Error for input sizes that stay open, and Interrupted.
Latency measure_latency(const std::filesystem::path& model, const LatencyOptions& options);

/// Loads the model, from the plan cache where that has it; `inputs` gets the sizes to run it with.
std::shared_ptr<PlanSource> load_for_bench(const std::filesystem::path& model, const LatencyOptions& options,
                                           std::vector<Port>& inputs);

/// The most memory that this process has had, in units of 10^6 bytes.
double peak_memory_mb();

/// Sizes for an input whose shape is partly open: the batch, the image size given, else the one in the model's
/// preprocessing, else 224 for an image-like f32 [N, 3, ?, ?]. Throws Error that says what is missing.
Dims concrete_dims(const Graph& model, const Value& input, int64_t batch, const std::optional<ImageSize>& size);

/// Random content that suits the type: pixels 0..255, floats in -1..1, small integers.
Tensor random_tensor(DType dtype, const Dims& dims, uint64_t seed);

}  // namespace hone::app
