#pragma once
// Private to src/train: includes ATen.
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <ATen/ATen.h>

#include "train/graph_module.hpp"
#include "train/ops/torch_ops.hpp"

namespace hone {

/// True when one of the patterns is the name, or its beginning followed by '*'.
bool matches_any(const std::vector<std::string>& patterns, const std::string& name);

/// A Graph as a list of steps over libtorch tensors: what GraphModule hides.
class TorchGraph {
 public:
  struct Variable {
    std::string name;
    at::Tensor tensor;
    bool decay = false;  ///< weight decay makes sense: weights, not biases, scales, slopes or statistics
  };

  TorchGraph(const Graph& graph, const GraphModuleOptions& options);

  /// Records autograd when grad mode is on and training or parameters require it.
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& inputs, bool training);
  /// Training on a part of a batch, with the statistics of the whole. Other parts must be worked on at the same time,
  /// and every output must take part in the backward pass, if only with a gradient of 0.
  std::vector<at::Tensor> forward(const std::vector<at::Tensor>& inputs, const BatchPart& part);
  std::vector<Variable>& parameters() { return parameters_; }
  std::vector<Variable>& buffers() { return buffers_; }
  Variable* find(const std::string& name);
  /// Holds the constants that the patterns name (as in GraphModuleOptions::freeze) as they are, running statistics too:
  /// no gradients are computed for them; or lets them go again.
  void hold(const std::vector<std::string>& patterns, bool held);
  /// Throws Error, naming `option`, for a pattern that matches no parameter.
  void require_known(const std::vector<std::string>& patterns, const std::string& option) const;
  /// Uses the memory of `owner`, a TorchGraph of the same graph, for parameters (gradients stay apart) and, if wanted,
  /// for buffers.
  void share(TorchGraph& owner, bool buffers);
  const Graph& graph() const { return graph_; }
  void store(Graph& graph) const;

 private:
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs, bool training, const BatchPart& part,
                              int64_t images);

  struct Step {
    const Node* node = nullptr;
    const torch_ops::Entry* entry = nullptr;
    Attributes attributes;
    std::vector<int> inputs, outputs;  ///< slots; -1: absent
    std::vector<int> dead;             ///< slots that nobody needs after this step
    bool may_overwrite = false;
    bool frozen_statistics = false, held = false;
    float low, high;  ///< see OpCall
  };
  enum class Role { fixed, parameter, buffer };
  using Roles = std::unordered_map<const Value*, Role>;

  Roles find_roles(const std::vector<std::string>& freeze) const;
  void add_constants(const Roles& roles);
  void add_steps(const Roles& roles);
  void find_dead_slots();
  bool safe_to_overwrite(const Node& node) const;
  const Node* fused_clip(const Node& node, Step& step) const;
  int slot(const Value* value);
  void replace(Variable& variable, at::Tensor tensor);

  Graph graph_;
  bool channels_last_ = true;
  at::Generator generator_;
  std::unordered_map<const Value*, int> slots_;
  std::vector<at::Tensor> values_;  ///< by slot; constants stay, the rest is filled by forward()
  std::vector<Step> steps_;
  std::vector<Variable> parameters_, buffers_;
};

}  // namespace hone
