#include "kernels/pool.hpp"

#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/pooling/average_pool.hpp"
#include "graph/ops/nn/pooling/max_pool.hpp"
#include "graph/ops/nn/window.hpp"

namespace hone::cpu {

namespace {

enum class PoolKind { maximum, average };

class NativePool : public Kernel {
 public:
  NativePool(PoolKind kind, const kernels::PoolShape& shape, int64_t rows, kernels::Operand x, kernels::Target y)
      : kind_(kind), shape_(shape), rows_(rows), x_(x), y_(y) {}
  std::string name() const override { return std::string("hone pool ") + name_of(x_.type); }
  bool spaces_output(size_t length) const override {
    return length == size_of(y_.type) * static_cast<size_t>(shape_.channels);
  }
  void space_output(size_t row) override { shape_.out_row = static_cast<int64_t>(row / size_of(y_.type)); }

  void run(const KernelRun& run) const override {
    spread(run, rows_, 1, [&](int64_t begin, int64_t end) {
      if (kind_ == PoolKind::maximum) {
        kernels::pool_kernels().max(shape_, x_.type, run.in(0), run.out(), begin, end);
      } else {
        kernels::Operand x = x_;
        x.data = run.in(0);
        kernels::pool_kernels().average(shape_, x, y_, run.out(), begin, end);
      }
    });
  }

 private:
  PoolKind kind_;
  kernels::PoolShape shape_;
  int64_t rows_;
  kernels::Operand x_;
  kernels::Target y_;
};

class NativeGlobalAverage : public Kernel {
 public:
  NativeGlobalAverage(const Dims& x, kernels::Operand operand, kernels::Target target)
      : batch_(x[0]), pixels_(x[1] * x[2]), channels_(x[3]), x_(operand), y_(target) {}
  std::string name() const override { return std::string("hone global average ") + name_of(x_.type); }
  void run(const KernelRun& run) const override {
    kernels::Operand x = x_;
    x.data = run.in(0);
    spread(run, batch_ * kernels::global_units(channels_), 2, [&](int64_t begin, int64_t end) {
      kernels::pool_kernels().global_average(pixels_, channels_, x, y_, run.out(), begin, end);
    });
  }

 private:
  int64_t batch_, pixels_, channels_;
  kernels::Operand x_;
  kernels::Target y_;
};

template <class PoolOp>
kernels::PoolShape pool_shape(const Node& node, const PoolOp& op) {
  Dims x = dims_of(node.input(0)), y = dims_of(node.output());
  ops::Window window = ops::resolve_window(node.place(), ops::window_attributes(op), {x[1], x[2]});
  kernels::PoolShape shape;
  shape.height = x[1], shape.width = x[2], shape.channels = x[3];
  shape.out_height = y[1], shape.out_width = y[2];
  shape.kernel_h = static_cast<int>(window.kernel[0]), shape.kernel_w = static_cast<int>(window.kernel[1]);
  shape.stride_h = static_cast<int>(window.strides[0]), shape.stride_w = static_cast<int>(window.strides[1]);
  shape.dilation_h = static_cast<int>(window.dilations[0]), shape.dilation_w = static_cast<int>(window.dilations[1]);
  shape.pad_top = static_cast<int>(window.pads_begin[0]), shape.pad_left = static_cast<int>(window.pads_begin[1]);
  shape.pad_bottom = static_cast<int>(window.pads_end[0]), shape.pad_right = static_cast<int>(window.pads_end[1]);
  return shape;
}

}  // namespace

std::unique_ptr<Kernel> make_native_pool(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  if (!fused || !fused->channels_last || dims_of(node.input(0)).size() != 4) return nullptr;
  const auto* maximum = dynamic_cast<const ops::MaxPool*>(fused->inner.get());
  const auto* average = dynamic_cast<const ops::AveragePool*>(fused->inner.get());
  bool global = std::string_view(fused->inner->type()) == "GlobalAveragePool";
  bool largest = std::string_view(fused->inner->type()) == "GlobalMaxPool";
  if (!maximum && !average && !global && !largest) return nullptr;
  DType type = node.input(0)->dtype();
  Dims x = dims_of(node.input(0)), y = dims_of(node.output());
  if (!byte_or_float(type) || !byte_or_float(node.output()->dtype())) return refusal = "element type", nullptr;
  if (element_count(x) == 0 || element_count(y) == 0) return refusal = "empty tensor", nullptr;
  if (!fused->act.empty() || fused->has_residual) return refusal = "epilogue", nullptr;
  kernels::Operand in = operand(type, fused->input_quant(0));
  kernels::Target out = target(node.output()->dtype(), fused->out);
  if (type != DType::f32 && !maximum && !largest && !fused->input_quant(0).quantized())
    return refusal = "integers without a scale", nullptr;
  if (global) return std::make_unique<NativeGlobalAverage>(x, in, out);
  if (largest) {
    kernels::PoolShape whole;
    whole.height = whole.stride_h = whole.kernel_h = static_cast<int>(x[1]);
    whole.width = whole.stride_w = whole.kernel_w = static_cast<int>(x[2]);
    whole.channels = x[3];
    whole.out_height = whole.out_width = 1;
    return std::make_unique<NativePool>(PoolKind::maximum, whole, x[0], in, out);
  }
  if (maximum) return std::make_unique<NativePool>(PoolKind::maximum, pool_shape(node, *maximum), y[0] * y[1], in, out);
  kernels::PoolShape shape = pool_shape(node, *average);
  shape.count_include_pad = average->count_include_pad != 0;
  return std::make_unique<NativePool>(PoolKind::average, shape, y[0] * y[1], in, out);
}

namespace {

class NativeSoftmax : public Kernel {
 public:
  NativeSoftmax(int64_t rows, int64_t length, bool logarithm) : rows_(rows), length_(length), logarithm_(logarithm) {}
  std::string name() const override { return "hone softmax"; }
  bool may_overwrite(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, rows_, std::max<int64_t>(1, 4096 / length_), [&](int64_t begin, int64_t end) {
      kernels::pool_kernels().softmax(run.in<float>(0), run.out<float>(), length_, logarithm_, begin, end);
    });
  }

 private:
  int64_t rows_, length_;
  bool logarithm_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_softmax(const Node& node, const CpuContext&, std::string& refusal) {
  bool logarithm = node.is("LogSoftmax");
  if (!node.is("Softmax") && !logarithm) return nullptr;
  Dims dims = dims_of(node.input(0));
  Attributes attributes = get_attributes(node.op());
  int64_t axis = -1, rank = static_cast<int64_t>(dims.size());
  if (auto it = attributes.find("axis"); it != attributes.end()) axis = std::get<int64_t>(it->second);
  if (node.output()->dtype() != DType::f32 || element_count(dims) == 0) return refusal = "not f32", nullptr;
  if (axis != -1 && axis != rank - 1) return refusal = "not over the last axis", nullptr;
  return std::make_unique<NativeSoftmax>(element_count(dims) / dims.back(), dims.back(), logarithm);
}

}  // namespace hone::cpu
