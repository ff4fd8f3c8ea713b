#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "kernels/functions.hpp"

/// Functions of single elements. Those without a vector kernel, of any type: the loop of the op itself, over pieces
/// that the threads share.
namespace hone::cpu {

namespace {

class NativePieces : public Kernel {
 public:
  NativePieces(const Node& node, int64_t count) : op_(node.op().clone()), place_(node.place()), count_(count) {
    for (const Value* input : node.inputs()) {
      if (!input) {
        inputs_.push_back({});
        continue;
      }
      Dims dims = dims_of(input);
      inputs_.push_back({input->dtype(), dims, element_count(dims) == count && dims == dims_of(node.output())});
    }
    output_ = node.output()->dtype();
  }
  std::string name() const override { return "hone pieces"; }
  void run(const KernelRun& run) const override {
    std::exception_ptr error;
    std::atomic<bool> failed = false;
    spread(run, count_, 4096, [&](int64_t begin, int64_t end) {
      try {
        piece(run, begin, end);
      } catch (...) {  // the pool's tasks may not throw
        if (!failed.exchange(true)) error = std::current_exception();
      }
    });
    if (error) std::rethrow_exception(error);
  }

 private:
  struct Input {
    DType dtype = DType::undefined;
    Dims dims;
    bool moves = false;  ///< one element an element of the output; otherwise one for all
  };
  void piece(const KernelRun& run, int64_t begin, int64_t end) const {
    std::vector<Tensor> held(inputs_.size());
    std::vector<const Tensor*> arguments(inputs_.size(), nullptr);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Input& input = inputs_[i];
      if (!run.in(i)) continue;
      size_t element = size_of(input.dtype);
      held[i] = input.moves ? wrap(input.dtype, {end - begin}, run.in<char>(i) + static_cast<size_t>(begin) * element)
                            : wrap(input.dtype, input.dims.empty() ? Dims{} : Dims{1}, run.in(i));
      arguments[i] = &held[i];
    }
    void* y = run.out<char>() + static_cast<size_t>(begin) * size_of(output_);
    Tensor result = wrap(output_, {end - begin}, y);
    EvalContext context(place_, arguments, std::span(&result, 1));
    op_->evaluate(context);
    if (result.raw() != y) std::memcpy(y, result.raw(), result.bytes());
  }
  static Tensor wrap(DType dtype, Dims dims, const void* memory) {
    size_t bytes = static_cast<size_t>(element_count(dims)) * size_of(dtype);
    return Tensor(dtype, std::move(dims), memory, bytes, nullptr);
  }

  std::unique_ptr<Op> op_;
  std::string place_;
  int64_t count_;
  std::vector<Input> inputs_;
  DType output_;
};

class NativeFunction : public Kernel {
 public:
  NativeFunction(kernels::Function function, int64_t count) : function_(function), count_(count) {}
  std::string name() const override { return "hone function"; }
  bool may_overwrite(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, count_, 4096, [&](int64_t begin, int64_t end) {
      kernels::function_kernels().run(function_, run.in<float>(0), run.out<float>(), begin, end);
    });
  }

 private:
  kernels::Function function_;
  int64_t count_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_function(const Node& node, const CpuContext&, std::string& refusal) {
  static const struct {
    const char* name;
    kernels::Function function;
  } list[] = {{"Erf", kernels::Function::erf}, {"Log", kernels::Function::log}, {"Sin", kernels::Function::sin},
              {"Cos", kernels::Function::cos}};
  for (const auto& entry : list) {
    if (!node.is(entry.name)) continue;
    if (node.input(0)->dtype() != DType::f32) return refusal = "not f32", nullptr;
    return std::make_unique<NativeFunction>(entry.function, element_count(dims_of(node.output())));
  }
  return nullptr;
}

std::unique_ptr<Kernel> make_native_pieces(const Node& node, const CpuContext&, std::string& refusal) {
  if (node.as<ops::Fused>() || !node.op().has(Trait::elementwise) || node.outputs().size() != 1) return nullptr;
  Dims y = dims_of(node.output());
  if (element_count(y) == 0 || size_of(node.output()->dtype()) == 0) return refusal = "empty, or element type", nullptr;
  for (const Value* input : node.inputs()) {
    if (!input) continue;
    if (size_of(input->dtype()) == 0) return refusal = "element type", nullptr;
    Dims x = dims_of(input);
    if (x != y && element_count(x) != 1) return refusal = "broadcast of " + to_string(x), nullptr;
  }
  return std::make_unique<NativePieces>(node, element_count(y));
}

}  // namespace hone::cpu
