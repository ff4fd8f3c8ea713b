#include <algorithm>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/conv_node.hpp"
#include "devices/cpu/onednn/common.hpp"
#include "devices/cpu/tuner.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/window.hpp"

namespace hone::cpu {

namespace {

using Dims4 = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;
using Desc = dnnl::memory::desc;

/// The geometry of one part: rows of output [begin, end) of `batch` images.
struct Rows {
  int64_t batch_begin, batch, begin, end;
};

/// 2-D convolution, NHWC, f32 or 8-bit integers.
class OnednnConv : public PartedKernel {
 public:
  OnednnConv(const Node& node, const ops::Fused& fused, const ops::Conv& conv, const ops::Window& window)
      : node_(node), fused_(fused), conv_(conv), window_(window) {
    x_ = dims_of(node.input(0));
    y_ = dims_of(node.output());
    src_type_ = node.input(0)->dtype();
    dst_type_ = node.output()->dtype();
    output_bytes_ = static_cast<size_t>(element_count(y_)) * size_of(dst_type_);
    if (fused.has_residual) residual_input_ = static_cast<int>(fused.inner_inputs);
  }

  std::string signature() const override { return signature_; }
  double estimate() const override { return estimate_; }

  bool build(const CpuContext& context, std::string& refusal) {
    stored_ = context.stored;
    const kernels::ConvShape shape = conv_shape(node_, conv_);
    signature_ = conv_signature(shape, src_type_);
    const double rate = fused_.weight_scales.empty() ? float_rate() : 1.15 * integer_rate();
    estimate_ =
        expected_us(conv_operations(shape), rate, static_cast<double>(node_.input(1)->constant().bytes()), 0, context);
    DType residual = fused_.has_residual ? node_.input(static_cast<size_t>(residual_input_))->dtype() : DType::f32;
    Epilogue epilogue;
    if (!make_epilogue(fused_, y_[3], 1 << 1, residual, epilogue, refusal)) return false;
    bias_ =
        scaled_bias(node_.input(2) && fused_.inner_inputs > 2 ? node_.input(2) : nullptr, y_[3], epilogue.bias_factor);
    flatten_pointwise();
    for (const Rows& rows : split(context.threads)) make_part(rows, epilogue.attr);
    finish("onednn", parts_[0].primitive);
    return true;
  }

 private:
  /// A 1x1 convolution does not care about rows: as one long row it splits evenly.
  void flatten_pointwise() {
    if (!window_.pointwise() || conv_.group != 1) return;
    // Rows of batch images are contiguous too.
    x_ = {1, x_[0] * x_[1] * x_[2], 1, x_[3]};
    y_ = {1, y_[0] * y_[1] * y_[2], 1, y_[3]};
    flat_ = true;
  }

  std::vector<Rows> split(int threads) const {
    std::vector<Rows> parts;
    int64_t batch = y_[0], rows = y_[1];
    if (batch >= threads) {
      for (int64_t t = 0; t < threads; ++t) {
        int64_t begin = batch * t / threads, end = batch * (t + 1) / threads;
        if (end > begin) parts.push_back({begin, end - begin, 0, rows});
      }
      return parts;
    }
    int64_t pieces = std::min<int64_t>(threads, rows);
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t t = 0; t < pieces; ++t) parts.push_back({n, 1, rows * t / pieces, rows * (t + 1) / pieces});
    return parts;
  }

  void make_part(const Rows& rows, const dnnl::primitive_attr& attr) {
    int64_t stride = window_.strides[0], pad = window_.pads_begin[0], extent = window_.extent(0);
    // Input rows that these output rows touch; what lies outside of the image is padding.
    int64_t first = rows.begin * stride - pad, last = (rows.end - 1) * stride - pad + extent;
    int64_t from = std::max<int64_t>(first, 0), to = std::min(last, x_[1]);
    if (rows.begin == 0 && rows.end == y_[1]) to = x_[1];
    int64_t pad_top = from - first, pad_bottom = std::max<int64_t>(last - to, 0);
    if (rows.begin == 0 && rows.end == y_[1]) pad_bottom = last - x_[1];
    Dims4 src_dims{rows.batch, x_[3], to - from, x_[2]}, dst_dims{rows.batch, y_[3], rows.end - rows.begin, y_[2]};
    Dims4 pads_begin{pad_top, window_.pads_begin[1]}, pads_end{pad_bottom, window_.pads_end[1]};
    Dims4 strides(window_.strides.begin(), window_.strides.end());
    if (flat_) {  // rows become the width
      src_dims = {1, x_[3], 1, to - from};
      dst_dims = {1, y_[3], 1, rows.end - rows.begin};
    }
    // oneDNN's right padding follows from the sizes; a window that does not reach the end needs a negative one.
    pads_end[1] = (dst_dims[3] - 1) * strides[1] + window_.extent(1) - src_dims[3] - pads_begin[1];
    pads_end[0] = (dst_dims[2] - 1) * strides[0] + window_.extent(0) - src_dims[2] - pads_begin[0];
    Part part;
    part.src = Desc(src_dims, onednn_type(src_type_), Tag::nhwc);
    part.dst = Desc(dst_dims, onednn_type(dst_type_), Tag::nhwc);
    auto weight_type = fused_.weight_scales.empty() ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::s8;
    Dims wd = dims_of(node_.input(1));
    Dims4 weight_dims(wd.begin(), wd.end());
    Tag plain_tag = Tag::oihw;
    if (conv_.group > 1) {
      weight_dims = {conv_.group, wd[0] / conv_.group, wd[1], wd[2], wd[3]};
      plain_tag = Tag::goihw;
    }
    Desc any_weights(weight_dims, weight_type, Tag::any);
    Desc bias_desc({y_[3]}, dnnl::memory::data_type::f32, Tag::a);
    Dims4 dilations{window_.dilations[0] - 1, window_.dilations[1] - 1};
    auto kind = dnnl::prop_kind::forward_inference;
    auto algorithm = dnnl::algorithm::convolution_direct;
    auto desc = bias_.empty() ? dnnl::convolution_forward::desc(kind, algorithm, part.src, any_weights, part.dst,
                                                                strides, dilations, pads_begin, pads_end)
                              : dnnl::convolution_forward::desc(kind, algorithm, part.src, any_weights, bias_desc,
                                                                part.dst, strides, dilations, pads_begin, pads_end);
    dnnl::convolution_forward::primitive_desc primitive_desc(desc, attr, onednn_engine());
    part.primitive = dnnl::convolution_forward(primitive_desc);
    part.weights = weights_.get(primitive_desc.weights_desc(), Desc(weight_dims, weight_type, plain_tag),
                                node_.input(1)->constant().raw(), stored_);
    if (!bias_.empty()) part.bias = dnnl::memory(bias_desc, onednn_engine(), bias_.data());
    part.scratch_bytes = primitive_desc.scratchpad_desc().get_size();
    size_t src_row = static_cast<size_t>(x_[2] * x_[3]) * size_of(src_type_);
    size_t dst_row = static_cast<size_t>(y_[2] * y_[3]) * size_of(dst_type_);
    part.src_offset = static_cast<size_t>(rows.batch_begin * x_[1] + from) * src_row;
    part.dst_offset = static_cast<size_t>(rows.batch_begin * y_[1] + rows.begin) * dst_row;
    add_part(std::move(part));
  }

  std::string signature_;
  double estimate_ = 0;
  // Used while building only.
  const Node& node_;
  const ops::Fused& fused_;
  const ops::Conv& conv_;
  const ops::Window& window_;
  Dims x_, y_;
  DType src_type_, dst_type_;
  bool flat_ = false;
  StoredWeights* stored_ = nullptr;
};

}  // namespace

std::unique_ptr<Kernel> make_onednn_conv(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* conv = fused ? dynamic_cast<const ops::Conv*>(fused->inner.get()) : nullptr;
  if (!conv) return nullptr;
  if (!fused->channels_last || dims_of(node.input(0)).size() != 4) return refusal = "not 2-D channels-last", nullptr;
  if (!node.input(1)->is_constant()) return refusal = "weights are computed at run time", nullptr;
  bool has_bias = fused->inner_inputs > 2 && node.input(2);
  if (has_bias && !node.input(2)->is_constant()) return refusal = "bias is computed at run time", nullptr;
  Dims x = dims_of(node.input(0)), w = dims_of(node.input(1)), y = dims_of(node.output());
  if (element_count(x) == 0 || element_count(y) == 0) return refusal = "empty tensor", nullptr;
  ops::Window window = ops::resolve_window(node.place(), ops::window_attributes(*conv), {x[1], x[2]}, {w[2], w[3]});
  if (!context.stored && !fused->weight_scales.empty() && may_saturate(node.input(1)->constant()))
    return refusal = "may saturate without VNNI", nullptr;
  auto kernel = std::make_unique<OnednnConv>(node, *fused, *conv, window);
  try {
    if (kernel->build(context, refusal)) return kernel;
  } catch (const dnnl::error& error) {
    refusal = std::string("oneDNN refuses it: ") + error.what();
  }
  return nullptr;
}

/// Integer convolutions with much to sum up, where oneDNN's register tiles may be faster than ours. With VNNI they are
/// not, and oneDNN would first generate code for every layer.
std::unique_ptr<Kernel> make_onednn_deep_conv(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* conv = fused ? dynamic_cast<const ops::Conv*>(fused->inner.get()) : nullptr;
  if (!conv || fused->weight_scales.empty()) return nullptr;
  if (kernels::best_isa() == kernels::Isa::vnni) return refusal = "ours are as fast with VNNI", nullptr;
  Dims w = dims_of(node.input(1));
  if (conv->group != 1 || w.size() != 4 || w[1] * w[2] * w[3] < 256 || w[1] < 32) return refusal = "not deep", nullptr;
  return make_onednn_conv(node, context, refusal);
}

}  // namespace hone::cpu
