#include "kernels/reduce.hpp"

#include <memory>
#include <optional>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/normalization/layer_normalization.hpp"
#include "graph/ops/reduce/reduction.hpp"

/// Reductions, global pooling and layer normalization.
namespace hone::cpu {

namespace {

std::optional<kernels::Reduction> reduction_of(const Node& node) {
  using kernels::Reduction;
  static const struct {
    const char* name;
    Reduction kind;
  } list[] = {{"ReduceSum", Reduction::sum},   {"ReduceMean", Reduction::mean},
              {"ReduceMax", Reduction::maximum}, {"ReduceMin", Reduction::minimum},
              {"ReduceSumSquare", Reduction::sum_square}, {"ReduceL1", Reduction::l1}, {"ReduceL2", Reduction::l2}};
  for (const auto& entry : list)
    if (node.is(entry.name)) return entry.kind;
  return std::nullopt;
}

class NativeReduce : public Kernel {
 public:
  NativeReduce(kernels::Reduction kind, int64_t outer, int64_t length, int64_t inner)
      : kind_(kind), outer_(outer), length_(length), inner_(inner) {}
  std::string name() const override { return "hone reduce"; }
  bool reads(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, outer_, std::max<int64_t>(1, 8192 / (length_ * inner_)), [&](int64_t begin, int64_t end) {
      kernels::reduce_kernels().reduce(kind_, run.in<float>(0), length_, inner_, run.out<float>(), begin, end);
    });
  }

 private:
  kernels::Reduction kind_;
  int64_t outer_, length_, inner_;
};

class NativeLayerNorm : public Kernel {
 public:
  NativeLayerNorm(int64_t rows, int64_t length, float epsilon, bool bias)
      : rows_(rows), length_(length), epsilon_(epsilon), bias_(bias) {}
  std::string name() const override { return "hone layer norm"; }
  bool may_overwrite(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, rows_, std::max<int64_t>(1, 4096 / length_), [&](int64_t begin, int64_t end) {
      kernels::reduce_kernels().layer_norm(run.in<float>(0), length_, epsilon_, run.in<float>(1),
                                           bias_ ? run.in<float>(2) : nullptr, run.out<float>(), begin, end);
    });
  }

 private:
  int64_t rows_, length_;
  float epsilon_;
  bool bias_;
};

}  // namespace

/// Global pooling with channels before pixels, whose number of axes does not matter.
std::unique_ptr<Kernel> make_native_global_pool(const Node& node, const CpuContext&, std::string& refusal) {
  bool mean = node.is("GlobalAveragePool");
  if (!mean && !node.is("GlobalMaxPool")) return nullptr;
  Dims x = dims_of(node.input(0));
  if (node.input(0)->dtype() != DType::f32 || element_count(x) == 0) return refusal = "not f32, or empty", nullptr;
  int64_t rows = x[0] * x[1];
  return std::make_unique<NativeReduce>(mean ? kernels::Reduction::mean : kernels::Reduction::maximum, rows,
                                        element_count(x) / rows, 1);
}

std::unique_ptr<Kernel> make_native_reduce(const Node& node, const CpuContext&, std::string& refusal) {
  auto kind = reduction_of(node);
  if (!kind) return nullptr;
  const auto& op = dynamic_cast<const ops::Reduction&>(node.op());
  Dims x = dims_of(node.input(0));
  if (node.input(0)->dtype() != DType::f32 || element_count(x) == 0) return refusal = "not f32, or empty", nullptr;
  auto axes = op.reduced_axes(node);
  if (!axes || axes->empty()) return refusal = "axes", nullptr;
  int64_t outer = 1, length = 1, inner = 1;
  for (size_t i = 0; i < x.size(); ++i) {
    bool inside = i >= axes->front() && i <= axes->back();
    bool reduced = std::find(axes->begin(), axes->end(), i) != axes->end();
    if (inside && !reduced && x[i] != 1) return refusal = "the axes are not neighbors", nullptr;
    (inside ? length : i < axes->front() ? outer : inner) *= x[i];
  }
  return std::make_unique<NativeReduce>(*kind, outer, length, inner);
}

std::unique_ptr<Kernel> make_native_layer_norm(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* op = node.as<ops::LayerNormalization>();
  if (!op) return nullptr;
  Dims x = dims_of(node.input(0));
  if (node.input(0)->dtype() != DType::f32 || element_count(x) == 0) return refusal = "not f32, or empty", nullptr;
  if (node.outputs().size() != 1) return refusal = "statistics are wanted", nullptr;
  int64_t axis = op->axis < 0 ? op->axis + static_cast<int64_t>(x.size()) : op->axis, rows = 1, length = 1;
  for (size_t i = 0; i < x.size(); ++i) (static_cast<int64_t>(i) < axis ? rows : length) *= x[i];
  for (size_t i : {size_t{1}, size_t{2}})
    if (node.input(i) && element_count(dims_of(node.input(i))) != length)
      return refusal = "scale is broadcast", nullptr;
  return std::make_unique<NativeLayerNorm>(rows, length, op->epsilon, node.input(2) != nullptr);
}

}  // namespace hone::cpu
