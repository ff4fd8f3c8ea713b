#include "devices/cpu/stored_plan.hpp"

#include <dnnl.hpp>

#include "base/cpu.hpp"
#include "compile/cache/build_id.hpp"
#include "compile/cache/graph_image.hpp"

namespace hone::cpu {

std::optional<Hash> plan_key(const Graph& graph, const CpuOptions& options) {
  Hash content;
  if (options.cache_dir.empty() || !cache::hash_graph(graph, content)) return std::nullopt;
  const CpuFeatures& cpu = cpu_features();
  Hasher key;
  key.add(content);
  key.add(cache::build_id());
  key.add(std::string(dnnl::version()->hash ? dnnl::version()->hash : ""));
  key.add(cpu.name + " " + cpu.isa());
  key.add(static_cast<uint64_t>(options.threads));
  key.add(static_cast<uint64_t>(options.autotune));
  for (const std::string& kernel : options.disabled_kernels) key.add(kernel);
  return key.value();
}

PlanRecorder::PlanRecorder(const Graph& lowered) {
  cache::ByteWriter image;
  possible_ = cache::write_graph(lowered, image, constants_);
  if (!possible_) return;
  record_.graph = image.bytes();
  for (const Value* constant : constants_) dims_.push_back(constant->constant().dims());
}

void PlanRecorder::add_step(const char* entry, const std::vector<std::string>& notes, const Node& node,
                            const Kernel& kernel) {
  if (!possible_) return;
  record_.steps.push_back({entry, notes, kernel.packed()});
  const bool packs = !record_.steps.back().packed.empty();
  for (size_t i = 0; i < node.inputs().size(); ++i) {
    const Value* input = node.input(i);
    if (input && input->is_constant() && !(packs && i == 1 && !kernel.reads(i)))
      needed_.emplace(input, input->constant());
  }
}

bool PlanRecorder::write(const cache::Folder& folder, const Hash& key) {
  if (!possible_) return false;
  for (size_t i = 0; i < constants_.size(); ++i) {
    const auto needed = needed_.find(constants_[i]);
    const Tensor& now = constants_[i]->constant();
    // Others are for no kernel, or small enough to be left.
    record_.constants.push_back(needed != needed_.end() ? needed->second : now.dims() == dims_[i] ? now : Tensor());
  }
  return cache::write_plan(folder, key, record_);
}

}  // namespace hone::cpu
