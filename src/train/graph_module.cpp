#include "train/graph_module.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "base/error.hpp"
#include "train/torch_graph.hpp"

namespace hone {

namespace {

std::vector<at::Tensor> to_torch(const Graph& graph, std::span<const Tensor> inputs) {
  std::vector<at::Tensor> tensors;
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::string place =
        fmt::format("input {}", i < graph.inputs().size() ? "'" + graph.inputs()[i]->name + "'" : std::to_string(i));
    if (i < graph.inputs().size() && graph.inputs()[i]->dtype() != inputs[i].dtype())
      throw Error(place,
                  fmt::format("got {}, expected {}", name_of(inputs[i].dtype()), name_of(graph.inputs()[i]->dtype())));
    tensors.push_back(torch_ops::to_torch(inputs[i], place));
  }
  return tensors;
}

std::vector<std::string> names(const std::vector<TorchGraph::Variable>& variables) {
  std::vector<std::string> list;
  for (auto& variable : variables) list.push_back(variable.name);
  return list;
}

}  // namespace

GraphModule::GraphModule(const Graph& graph, const GraphModuleOptions& options)
    : torch_(std::make_unique<TorchGraph>(graph, options)) {}
GraphModule::~GraphModule() = default;
GraphModule::GraphModule(GraphModule&&) noexcept = default;
GraphModule& GraphModule::operator=(GraphModule&&) noexcept = default;

std::vector<std::string> GraphModule::parameters() const { return names(torch_->parameters()); }
std::vector<std::string> GraphModule::buffers() const { return names(torch_->buffers()); }

int64_t GraphModule::parameter_count() const {
  int64_t count = 0;
  for (auto& variable : torch_->parameters()) count += variable.tensor.numel();
  return count;
}

Tensor GraphModule::value(const std::string& name) const {
  auto* variable = torch_->find(name);
  if (!variable) throw Error("'" + name + "'", "is no parameter or buffer of the module");
  return torch_ops::from_torch(variable->tensor);
}

void GraphModule::set_value(const std::string& name, const Tensor& tensor) {
  auto* variable = torch_->find(name);
  if (!variable) throw Error("'" + name + "'", "is no parameter or buffer of the module");
  at::Tensor source = torch_ops::to_torch(tensor, "'" + name + "'");
  if (source.sizes() != variable->tensor.sizes() || source.scalar_type() != variable->tensor.scalar_type())
    throw Error("'" + name + "'", fmt::format("got {}{}, expected sizes {}", name_of(tensor.dtype()),
                                              to_string(tensor.dims()), to_string(variable->tensor.sizes().vec())));
  at::NoGradGuard no_grad;
  variable->tensor.copy_(source);
}

std::vector<Tensor> GraphModule::forward(std::span<const Tensor> inputs, bool training) {
  at::NoGradGuard no_grad;
  std::vector<Tensor> results;
  for (const at::Tensor& output : torch_->forward(to_torch(torch_->graph(), inputs), training))
    results.push_back(torch_ops::from_torch(output));
  return results;
}

std::map<std::string, Tensor> GraphModule::gradients(std::span<const Tensor> inputs,
                                                     std::span<const Tensor> output_gradients, bool training) {
  std::vector<at::Tensor> outputs = torch_->forward(to_torch(torch_->graph(), inputs), training);
  if (output_gradients.size() != outputs.size())
    throw Error("gradients",
                fmt::format("got {} output gradients, expected {}", output_gradients.size(), outputs.size()));
  at::Tensor loss = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < outputs.size(); ++i)
    loss = loss + (outputs[i] * torch_ops::to_torch(output_gradients[i], fmt::format("output gradient {}", i)))
                      .sum()
                      .to(at::kDouble);
  for (auto& variable : torch_->parameters()) variable.tensor.mutable_grad().reset();
  loss.backward();
  std::map<std::string, Tensor> result;
  for (auto& variable : torch_->parameters()) {
    at::Tensor gradient = variable.tensor.grad();
    result[variable.name] = torch_ops::from_torch(gradient.defined() ? gradient : at::zeros_like(variable.tensor));
    variable.tensor.mutable_grad().reset();
  }
  return result;
}

void GraphModule::store(Graph& graph) const { torch_->store(graph); }

}  // namespace hone
