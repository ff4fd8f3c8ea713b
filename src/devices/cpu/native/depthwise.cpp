#include "kernels/depthwise.hpp"

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "devices/cpu/native/conv_node.hpp"

namespace hone::cpu {

namespace {

class NativeDepthwise : public Kernel {
 public:
  std::string name() const override {
    return std::string(integer_ ? "hone depthwise int8 " : "hone depthwise f32 ") +
           kernels::name_of(kernels::best_isa());
  }
  size_t weight_bytes() const override { return packed_bytes_; }
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == epilogue_.residual_input; }
  bool reads(size_t i) const override { return i == 0 || static_cast<int>(i) == epilogue_.residual_input; }

  bool build(const Node& node, const ops::Fused& fused, const kernels::DepthwiseShape& shape, std::string& refusal) {
    shape_ = shape;
    x_type_ = node.input(0)->dtype();
    x_zero_ = static_cast<int>(fused.input_quant(0).zero);
    integer_ = !fused.weight_scales.empty();
    rows_ = dims_of(node.output())[0] * shape.out_height;
    if (!epilogue_.make(node, fused, shape.channels, refusal)) return false;
    const Tensor& weights = node.input(1)->constant();
    if (integer_) {
      const auto& kernel = kernels::depthwise_int8_kernels();
      packed_ = allocate(packed_bytes_ = kernel.packed_bytes(shape));
      kernel.pack(shape, weights.data<int8_t>().data(), x_type_, x_zero_, epilogue_.start_data(), packed_.get());
    } else {
      if (x_type_ != DType::f32) return refusal = "input is not f32", false;
      packed_ = allocate(packed_bytes_ = weights.bytes());
      kernels::depthwise_pack_f32(shape, weights.data<float>().data(), static_cast<float*>(packed_.get()));
    }
    return true;
  }

  void run(const KernelRun& run) const override {
    kernels::Epilogue epilogue = epilogue_.bind(run);
    spread(run, rows_, 1, [&](int64_t begin, int64_t end) {
      if (integer_)
        kernels::depthwise_int8_kernels().run(shape_, run.in(0), x_type_, x_zero_, packed_.get(), epilogue, run.out(),
                                              begin, end);
      else
        kernels::depthwise_f32_kernels().run(shape_, run.in<float>(0), static_cast<const float*>(packed_.get()),
                                             epilogue, run.out(), begin, end);
    });
  }

 private:
  kernels::DepthwiseShape shape_;
  NativeEpilogue epilogue_;
  DType x_type_ = DType::f32;
  int x_zero_ = 0;
  bool integer_ = false;
  int64_t rows_ = 0;
  std::shared_ptr<void> packed_;
  size_t packed_bytes_ = 0;
};

bool is_depthwise(const Node& node, const ops::Conv& conv) {
  Dims x = dims_of(node.input(0)), w = dims_of(node.input(1));
  return conv.group > 1 && conv.group == x[3] && w[0] == x[3];
}

}  // namespace

std::unique_ptr<Kernel> make_native_depthwise(const Node& node, const CpuContext&, std::string& refusal) {
  const ops::Conv* conv = plain_conv(node, refusal);
  if (!conv || !is_depthwise(node, *conv)) return nullptr;
  kernels::DepthwiseShape shape;
  fill_window(node, *conv, shape);
  auto kernel = std::make_unique<NativeDepthwise>();
  return kernel->build(node, *node.as<ops::Fused>(), shape, refusal) ? std::move(kernel) : nullptr;
}

}  // namespace hone::cpu
