#include "devices/cpu/native/conv_node.hpp"

#include <fmt/format.h>

#include "graph/ops/fused/fused.hpp"

namespace hone::cpu {

const ops::Conv* plain_conv(const Node& node, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* conv = fused ? dynamic_cast<const ops::Conv*>(fused->inner.get()) : nullptr;
  if (!conv) return nullptr;
  bool image = fused->channels_last && dims_of(node.input(0)).size() == 4;
  bool constant =
      node.input(1)->is_constant() && !(fused->inner_inputs > 2 && node.input(2) && !node.input(2)->is_constant());
  if (!image) return refusal = "not 2-D channels-last", nullptr;
  if (!constant) return refusal = "weights are computed at run time", nullptr;
  if (element_count(dims_of(node.input(0))) == 0 || element_count(dims_of(node.output())) == 0)
    return refusal = "empty tensor", nullptr;
  return conv;
}

kernels::ConvShape conv_shape(const Node& node, const ops::Conv& conv) {
  kernels::ConvShape shape;
  fill_window(node, conv, shape);
  shape.batch = dims_of(node.input(0))[0];
  shape.groups = static_cast<int>(conv.group);
  shape.out_channels = dims_of(node.output())[3];
  return shape;
}

std::string conv_signature(const kernels::ConvShape& s, DType type) {
  return fmt::format("conv {} {}x{}x{}x{} to {}x{}x{} groups {} kernel {}x{} stride {}x{} dilation {}x{}",
                     name_of(type), s.batch, s.height, s.width, s.channels, s.out_height, s.out_width, s.out_channels,
                     s.groups, s.kernel_h, s.kernel_w, s.stride_h, s.stride_w, s.dilation_h, s.dilation_w);
}

}  // namespace hone::cpu
