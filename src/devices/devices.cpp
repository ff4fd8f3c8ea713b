#include "devices/devices.hpp"

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "compile/cache/build_id.hpp"
#include "compile/cache/cached_source.hpp"
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
  /// Takes a plan from the cache_dir; nullptr: the device keeps none.
  std::shared_ptr<const Plan> (*restore)(const Hash&, const DeviceOptions&);
  bool cuts_batches;  ///< see Slicing
};

CpuOptions cpu_options(const DeviceOptions& options) {
  return {options.threads, options.disabled_kernels, options.autotune, options.cache_dir};
}

// The visible list of devices.
const DeviceEntry devices[] = {
    {"cpu", [] { return cpu_features().name + " (" + cpu_features().isa() + ")"; },
     [](const DeviceOptions& options) -> CompileGraph {
       CompileGraph compile = [cpu = cpu_options(options)](Graph fixed) { return compile_cpu(std::move(fixed), cpu); };
       return [compile, options](Graph graph) {
         return compile_dynamic(std::move(graph), compile, options.disabled_passes);
       };
     },
     [](const Hash& key, const DeviceOptions& options) { return restore_cpu(key, cpu_options(options)); },
     true},
    {"reference", [] { return std::string("evaluates every op by its definition; slow, for checking"); },
     [](const DeviceOptions&) -> CompileGraph { return compile_reference; }, nullptr, false},
};

const DeviceEntry& find_device(const std::string& name) {
  std::string known;
  for (const DeviceEntry& entry : devices) {
    if (name == entry.name) return entry;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw Error("device '" + name + "'", "is not known", "choose one of: " + known);
}

Slicing slicing(const DeviceEntry& device, DeviceOptions options) {
  if (!device.cuts_batches) return {};
  const int threads = options.threads > 0 ? options.threads : cpu_features().cores;
  options.threads = 1;
  return {threads, device.compiler(options)};
}

/// Of a model file and all that its plans depend on.
Hash model_key(const Hash& file, const DeviceOptions& options) {
  Hasher key;
  key.add(file);
  key.add(cache::build_id());
  key.add(cpu_features().name + " " + cpu_features().isa() + " " + options.device);
  key.add(static_cast<uint64_t>(options.threads > 0 ? options.threads : cpu_features().cores));
  key.add(static_cast<uint64_t>(options.autotune));
  for (const auto* names : {&options.disabled_passes, &options.disabled_kernels}) {
    key.add(static_cast<uint64_t>(names->size()));
    for (const std::string& name : *names) key.add(name);
  }
  return key.value();
}

}  // namespace

std::vector<DeviceInfo> list_devices() {
  std::vector<DeviceInfo> list;
  for (const DeviceEntry& entry : devices) list.push_back({entry.name, entry.describe()});
  return list;
}

std::shared_ptr<PlanSource> load(const Graph& graph, const DeviceOptions& options) {
  return load(graph.clone(), options);
}

std::shared_ptr<PlanSource> load(Graph&& graph, const DeviceOptions& options) {
  const DeviceEntry& device = find_device(options.device);
  return std::make_shared<ModelSource>(std::move(graph), device.compiler(options), 8, options.disabled_passes,
                                       slicing(device, options));
}

std::shared_ptr<PlanSource> load_file(const std::filesystem::path& file, const std::function<Graph()>& import,
                                      const DeviceOptions& options) {
  const DeviceEntry& device = find_device(options.device);
  const cache::Folder folder(options.cache_dir);
  std::error_code error;
  if (!folder.used() || !device.restore || !std::filesystem::is_regular_file(file, error))
    return load(import(), options);
  const Hash content = folder.hash_of_file(file);
  auto open = [folder, file, content, import, options]() -> cache::CachedSource::Opened {
    const int64_t before = MappedFile::opened_by_this_thread();
    Graph graph = import();
    // The hash is that of this file alone, as it was when the key was made.
    const bool alone = MappedFile::opened_by_this_thread() - before == 1;
    const bool same = folder.hash_of_file(file) == content;
    return {load(std::move(graph), options), alone && same};
  };
  auto restore = [&device, options](const Hash& key, bool one_thread) {
    DeviceOptions mine = options;
    if (one_thread) mine.threads = 1;
    return device.restore(key, mine);
  };
  return std::make_shared<cache::CachedSource>(folder, model_key(content, options), open, restore);
}

}  // namespace hone
