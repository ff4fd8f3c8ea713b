#include "devices/devices.hpp"

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "compile/model_source.hpp"
#include "devices/cpu/cpu_device.hpp"
#include "devices/dynamic/dynamic_plan.hpp"
#include "devices/reference/reference_device.hpp"

namespace hone {

namespace {

struct DeviceEntry {
  const char* name;
  std::string (*describe)();
  CompileGraph (*compiler)(const DeviceOptions&);
};

// The visible list of devices.
const DeviceEntry devices[] = {
    {"cpu", [] { return cpu_features().name + " (" + cpu_features().isa() + ")"; },
     [](const DeviceOptions& options) -> CompileGraph {
       CpuOptions cpu{options.threads, options.disabled_kernels, options.autotune, options.cache_dir};
       CompileGraph compile = [cpu](Graph fixed) { return compile_cpu(std::move(fixed), cpu); };
       return [compile, options](Graph graph) {
         return compile_dynamic(std::move(graph), compile, options.disabled_passes);
       };
     }},
    {"reference", [] { return std::string("evaluates every op by its definition; slow, for checking"); },
     [](const DeviceOptions&) -> CompileGraph { return compile_reference; }},
};

}  // namespace

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> list;
  for (const DeviceEntry& entry : devices) list.push_back({entry.name, entry.describe()});
  return list;
}

std::shared_ptr<PlanSource> load(const Graph& graph, const DeviceOptions& options) { return load(graph.clone(), options); }

std::shared_ptr<PlanSource> load(Graph&& graph, const DeviceOptions& options) {
  std::string known;
  for (const DeviceEntry& entry : devices) {
    if (options.device == entry.name)
      return std::make_shared<ModelSource>(std::move(graph), entry.compiler(options), 8, options.disabled_passes);
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw Error("device '" + options.device + "'", "is not known", "choose one of: " + known);
}

}  // namespace hone
