#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plan/plan.hpp"

namespace hone {

class Graph;

struct DeviceOptions {
  std::string device = "cpu";  ///< "cpu" or "reference"
  int threads = 0;             ///< 0: all processors of this process
  std::vector<std::string> disabled_passes;
  std::vector<std::string> disabled_kernels;  ///< names of the kernel list that are left out, to compare the others
  bool autotune = true;   ///< measure rival kernels of a layer while compiling; false: the same choice on every run
  std::string cache_dir;  ///< folder that keeps plans and measurements between processes; empty: none
};

struct DeviceInfo {
  std::string name, description;
};
std::vector<DeviceInfo> list_devices();

/// Loads a graph on a device. It needs no preparation: the device optimizes it. Throws Error for an unknown device,
/// naming the known ones. Of a graph that is given away, weights leave memory as soon as a plan has them in its own
/// form.
std::shared_ptr<PlanSource> load(Graph&& graph, const DeviceOptions& options = {});
/// The same for a copy of `graph`, which shares its weights.
std::shared_ptr<PlanSource> load(const Graph& graph, const DeviceOptions& options = {});
/// Loads a model file. With a cache_dir that has a plan for it, `import` is not called: the plan is mapped, and nothing
/// is parsed, optimized, measured or packed. Models with further files (external data) are imported every time.
std::shared_ptr<PlanSource> load_file(const std::filesystem::path& file, const std::function<Graph()>& import,
                                      const DeviceOptions& options = {});

}  // namespace hone
