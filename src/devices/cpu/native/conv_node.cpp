#include "devices/cpu/native/conv_node.hpp"

#include <fmt/format.h>

#include "graph/ops/fused/fused.hpp"
#include "kernels/peak.hpp"

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

namespace {
/// Taps along one axis of which at least one of `together` neighboring outputs reads the input, in the mean.
double line_taps(int64_t size, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad,
                 int64_t together) {
  int64_t met = 0;
  for (int64_t first = 0; first < out; first += together) {
    const int64_t count = std::min(together, out - first);
    for (int64_t tap = 0; tap < kernel; ++tap) {
      bool any = false;
      for (int64_t i = first; i < first + count && !any; ++i) {
        const int64_t at = i * stride + tap * dilation - pad;
        any = at >= 0 && at < size;
      }
      met += any ? count : 0;
    }
  }
  return static_cast<double>(met) / static_cast<double>(out);
}
}  // namespace

double taps_within(const kernels::ConvShape& s) {
  constexpr int64_t kTile = 6;
  if (s.dilation_h == 1 && s.dilation_w == 1) return static_cast<double>(s.taps());
  if (s.out_width < 2 * kTile) return static_cast<double>(s.taps());  // tiles reach over several rows
  return line_taps(s.height, s.out_height, s.kernel_h, s.stride_h, s.dilation_h, s.pad_top, 1) *
         line_taps(s.width, s.out_width, s.kernel_w, s.stride_w, s.dilation_w, s.pad_left, kTile);
}

namespace {
/// The rates below are of a processor with two units of 512 bits. Those with one, or that take two steps for 512 bits
/// (Zen 4), compute at half their rate but read memory as fast, so that saving operations is worth more there.
double rate_scale() {
  constexpr double kTwoUnits = 160;
  static const double scale = kernels::quick_peak_f32() < kTwoUnits ? 0.53 : 1;
  return scale;
}
}  // namespace

double float_rate() { return kernels::best_isa() >= kernels::Isa::avx512 ? 200 * rate_scale() : 100; }

double integer_rate() {
  if (kernels::best_isa() == kernels::Isa::vnni) return 880 * rate_scale();
  return kernels::best_isa() == kernels::Isa::avx512 ? 200 * rate_scale() : 100;
}

WeightRows::WeightRows(const Tensor& weights, int64_t most, int threads) : weights_(weights) {
  if (weights.at_hand() || weights.size() == 0) return;
  row_ = weights.bytes() / static_cast<size_t>(weights.dim(0));
  const Dims size{most, static_cast<int64_t>(row_ / sizeof(float))};
  for (int i = 0; i < threads; ++i) parts_.emplace_back(DType::f32, size);
}

const float* WeightRows::base(int64_t begin, int64_t end, int thread) {
  if (parts_.empty()) return weights_.data<float>().data();
  void* part = parts_[static_cast<size_t>(thread)].mutable_raw();
  const size_t before = static_cast<size_t>(begin) * row_;
  weights_.read_bytes(before, static_cast<size_t>(end - begin) * row_, part);
  return reinterpret_cast<const float*>(reinterpret_cast<uintptr_t>(part) - before);
}

}  // namespace hone::cpu
