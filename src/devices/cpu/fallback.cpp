#include "devices/cpu/kernels.hpp"

#include <cstring>

namespace hone::cpu {

namespace {

/// Runs a node by its reference evaluation.
class ReferenceKernel : public Kernel {
 public:
  explicit ReferenceKernel(const Node& node) : op_(node.op().clone()), place_(node.place()) {
    for (const Value* input : node.inputs())
      inputs_.push_back(input ? Type{input->dtype(), input->shape()} : Type{});
    for (const Value* output : node.outputs()) outputs_.push_back({output->dtype(), output->shape()});
  }
  std::string name() const override { return "reference"; }

  void run(const KernelRun& run) const override {
    std::vector<Tensor> held(inputs_.size()), results(outputs_.size());
    std::vector<const Tensor*> arguments(inputs_.size(), nullptr);
    auto wrap = [](const Type& type, const void* memory) {
      Dims dims = type.shape.concrete();
      size_t bytes = static_cast<size_t>(element_count(dims)) * size_of(type.dtype);
      return Tensor(type.dtype, std::move(dims), memory, bytes, nullptr);
    };
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!run.in(i)) continue;
      held[i] = wrap(inputs_[i], run.in(i));
      arguments[i] = &held[i];
    }
    for (size_t i = 0; i < outputs_.size(); ++i) results[i] = wrap(outputs_[i], run.out(i));
    EvalContext context(place_, arguments, results);
    op_->evaluate(context);
    for (size_t i = 0; i < outputs_.size(); ++i)
      if (results[i].raw() != run.out(i) && results[i].bytes() > 0)
        std::memcpy(run.out(i), results[i].raw(), results[i].bytes());
  }

 private:
  std::unique_ptr<Op> op_;
  std::string place_;
  std::vector<Type> inputs_, outputs_;
};

}  // namespace

std::unique_ptr<Kernel> make_reference_kernel(const Node& node, const CpuContext&, std::string&) {
  return std::make_unique<ReferenceKernel>(node);
}

}  // namespace hone::cpu
