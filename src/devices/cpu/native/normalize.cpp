#include "kernels/normalize.hpp"

#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/normalization/group_normalization.hpp"
#include "graph/ops/nn/normalization/instance_normalization.hpp"
#include "graph/ops/nn/normalization/lrn.hpp"
#include "kernels/softmax_int8.hpp"

/// Softmax over an inner axis or of 8-bit numbers, InstanceNormalization, GroupNormalization and LRN.
namespace hone::cpu {

namespace {

class NativeSoftmaxColumns : public Kernel {
 public:
  NativeSoftmaxColumns(int64_t outer, int64_t length, int64_t inner, bool logarithm)
      : outer_(outer), length_(length), inner_(inner), logarithm_(logarithm) {}
  std::string name() const override { return "hone softmax columns"; }
  bool may_overwrite(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, outer_ * kernels::column_units(inner_), 1 + 64 / length_, [&](int64_t begin, int64_t end) {
      kernels::normalize_kernels().softmax_columns(run.in<float>(0), run.out<float>(), length_, inner_, logarithm_,
                                                   begin, end);
    });
  }

 private:
  int64_t outer_, length_, inner_;
  bool logarithm_;
};

class NativeSoftmaxInt8 : public Kernel {
 public:
  NativeSoftmaxInt8(const kernels::SoftmaxInt8& settings, int64_t outer)
      : settings_(settings), units_(settings.units(outer)) {}
  std::string name() const override { return "hone softmax int8"; }
  bool may_overwrite(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, units_, 1 + 8192 / (settings_.length * (settings_.inner == 1 ? 1 : kernels::kColumnUnit)),
           [&](int64_t begin, int64_t end) {
             kernels::softmax_int8_kernels().run(settings_, run.in<uint8_t>(0), run.out<uint8_t>(), begin, end);
           });
  }

 private:
  kernels::SoftmaxInt8 settings_;
  int64_t units_;
};

/// Sizes around an axis: [outer, length, inner].
struct AroundAxis {
  int64_t outer = 1, length = 1, inner = 1;
  AroundAxis(const Op& op, const Dims& dims) {
    Attributes attributes = get_attributes(op);
    int64_t axis = -1, rank = static_cast<int64_t>(dims.size());
    if (auto it = attributes.find("axis"); it != attributes.end()) axis = std::get<int64_t>(it->second);
    if (axis < 0) axis += rank;
    for (int64_t i = 0; i < rank; ++i) (i < axis ? outer : i == axis ? length : inner) *= dims[static_cast<size_t>(i)];
  }
};

/// Channels before pixels: [N, groups, channels, plane].
class NativeGroupNorm : public Kernel {
 public:
  NativeGroupNorm(int64_t batch, int64_t groups, int64_t channels, int64_t plane, float epsilon)
      : batch_(batch), groups_(groups), channels_(channels), plane_(plane), epsilon_(epsilon) {}
  std::string name() const override { return channels_ == 1 ? "hone instance norm" : "hone group norm"; }
  bool may_overwrite(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, batch_ * groups_, std::max<int64_t>(1, 4096 / (channels_ * plane_)), [&](int64_t begin, int64_t end) {
      kernels::normalize_kernels().group_norm(run.in<float>(0), groups_, channels_, plane_, epsilon_, run.in<float>(1),
                                              run.in<float>(2), run.out<float>(), begin, end);
    });
  }

 private:
  int64_t batch_, groups_, channels_, plane_;
  float epsilon_;
};

class NativeInstanceNormLast : public Kernel {
 public:
  NativeInstanceNormLast(int64_t batch, int64_t pixels, int64_t channels, float epsilon)
      : batch_(batch), pixels_(pixels), channels_(channels), epsilon_(epsilon) {}
  std::string name() const override { return "hone instance norm channels last"; }
  bool may_overwrite(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, batch_ * kernels::column_units(channels_), 1 + 64 / pixels_, [&](int64_t begin, int64_t end) {
      kernels::normalize_kernels().instance_norm(run.in<float>(0), pixels_, channels_, epsilon_, run.in<float>(1),
                                                 run.in<float>(2), run.out<float>(), begin, end);
    });
  }

 private:
  int64_t batch_, pixels_, channels_;
  float epsilon_;
};

class NativeLocalResponse : public Kernel {
 public:
  NativeLocalResponse(const ops::LRN& op, int64_t pixels, int64_t channels)
      : pixels_(pixels), channels_(channels), before_(std::min((op.size - 1) / 2, channels)),
        after_(std::min(op.size - 1 - (op.size - 1) / 2, channels)), bias_(op.bias),
        factor_(op.alpha / static_cast<float>(op.size)), beta_(op.beta) {}
  std::string name() const override { return "hone local response"; }
  void run(const KernelRun& run) const override {
    spread(run, pixels_, std::max<int64_t>(1, 2048 / channels_), [&](int64_t begin, int64_t end) {
      kernels::normalize_kernels().local_response(run.in<float>(0), channels_, before_, after_, bias_, factor_, beta_,
                                                  run.out<float>(), begin, end);
    });
  }

 private:
  int64_t pixels_, channels_, before_, after_;
  float bias_, factor_, beta_;
};

bool all_f32(const Node& node) {
  for (const Value* input : node.inputs())
    if (input && input->dtype() != DType::f32) return false;
  return node.output()->dtype() == DType::f32;
}

bool plain(const ops::Fused& fused) { return fused.act.empty() && fused.act2.empty() && !fused.has_residual; }

}  // namespace

std::unique_ptr<Kernel> make_native_softmax_columns(const Node& node, const CpuContext&, std::string& refusal) {
  bool logarithm = node.is("LogSoftmax");
  if (!node.is("Softmax") && !logarithm) return nullptr;
  Dims dims = dims_of(node.input(0));
  if (!all_f32(node) || element_count(dims) == 0) return refusal = "not f32, or empty", nullptr;
  AroundAxis sizes(node.op(), dims);
  return std::make_unique<NativeSoftmaxColumns>(sizes.outer, sizes.length, sizes.inner, logarithm);
}

std::unique_ptr<Kernel> make_native_softmax_int8(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  if (!fused || std::string_view(fused->inner->type()) != "Softmax") return nullptr;
  Dims dims = dims_of(node.input(0));
  auto byte = [](DType type) { return type == DType::u8 || type == DType::i8; };
  if (!byte(node.input(0)->dtype()) || !byte(fused->out_dtype) || element_count(dims) == 0)
    return refusal = "not 8 bits, or empty", nullptr;
  if (!plain(*fused) || !fused->out_factors.empty() || !fused->input_quant(0).quantized() || !fused->out.quantized())
    return refusal = "epilogue", nullptr;
  AroundAxis sizes(*fused->inner, dims);
  const kernels::SoftmaxInt8 settings{.x_signed = node.input(0)->dtype() == DType::i8,
                                .y_signed = fused->out_dtype == DType::i8,
                                .x_scale = fused->input_quant(0).scale,
                                .y_scale = fused->out.scale,
                                .y_zero = static_cast<int>(fused->out.zero),
                                .length = sizes.length,
                                .inner = sizes.inner};
  return std::make_unique<NativeSoftmaxInt8>(settings, sizes.outer);
}

std::unique_ptr<Kernel> make_native_channel_norm(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const Op& op = fused ? *fused->inner : node.op();
  const auto* instance = dynamic_cast<const ops::InstanceNormalization*>(&op);
  const auto* group = dynamic_cast<const ops::GroupNormalization*>(&op);
  if (!instance && !group) return nullptr;
  Dims x = dims_of(node.input(0));
  if (!all_f32(node) || element_count(x) == 0) return refusal = "not f32, or empty", nullptr;
  if (fused && !plain(*fused)) return refusal = "epilogue", nullptr;
  if (fused && fused->channels_last) {
    if (!instance) return refusal = "channels last", nullptr;
    return std::make_unique<NativeInstanceNormLast>(x[0], x[1] * x[2], x[3], instance->epsilon);
  }
  int64_t plane = element_count(x) / (x[0] * x[1]), groups = instance ? x[1] : group->num_groups;
  return std::make_unique<NativeGroupNorm>(x[0], groups, x[1] / groups, plane,
                                           instance ? instance->epsilon : group->epsilon);
}

std::unique_ptr<Kernel> make_native_local_response(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* op = fused ? dynamic_cast<const ops::LRN*>(fused->inner.get()) : nullptr;
  if (!op || !fused->channels_last) return nullptr;
  Dims x = dims_of(node.input(0));
  if (!all_f32(node) || element_count(x) == 0) return refusal = "not f32, or empty", nullptr;
  if (!plain(*fused)) return refusal = "epilogue", nullptr;
  return std::make_unique<NativeLocalResponse>(*op, element_count(x) / x.back(), x.back());
}

}  // namespace hone::cpu
