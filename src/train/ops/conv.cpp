#include <algorithm>

#include <fmt/format.h>

#include "train/ops/torch_ops.hpp"

namespace hone::torch_ops {

bool Window::padded() const {
  auto any = [](const std::vector<int64_t>& pads) {
    return std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p != 0; });
  };
  return any(begin) || any(end);
}

Window read_window(const OpCall& call, std::vector<int64_t> kernel, at::IntArrayRef spatial) {
  size_t rank = spatial.size();
  Window window;
  auto list = [&](const char* name, int64_t otherwise) {
    std::vector<int64_t> values = call.integers(name);
    if (values.empty()) values.assign(rank, otherwise);
    if (values.size() != rank)
      call.fail(fmt::format("attribute '{}' has {} values, expected {}", name, values.size(), rank));
    return values;
  };
  if (kernel.empty()) kernel = list("kernel_shape", 1);
  if (kernel.size() != rank)
    call.fail(fmt::format("kernel has {} axes, the input has {} spatial ones", kernel.size(), rank));
  window.kernel = std::move(kernel);
  window.stride = list("strides", 1);
  window.dilation = list("dilations", 1);
  window.begin.assign(rank, 0);
  window.end.assign(rank, 0);
  std::string automatic = call.text("auto_pad", "NOTSET");
  if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    for (size_t i = 0; i < rank; ++i) {
      int64_t out = (spatial[i] + window.stride[i] - 1) / window.stride[i];
      int64_t extent = (window.kernel[i] - 1) * window.dilation[i] + 1;
      int64_t total = std::max<int64_t>(0, (out - 1) * window.stride[i] + extent - spatial[i]);
      window.begin[i] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      window.end[i] = total - window.begin[i];
    }
  } else if (automatic == "NOTSET" || automatic.empty()) {
    std::vector<int64_t> pads = call.integers("pads");
    if (!pads.empty() && pads.size() != 2 * rank)
      call.fail(fmt::format("attribute 'pads' has {} values, expected {}", pads.size(), 2 * rank));
    for (size_t i = 0; i < rank && !pads.empty(); ++i) window.begin[i] = pads[i], window.end[i] = pads[rank + i];
  } else if (automatic != "VALID") {
    call.fail("auto_pad is '" + automatic + "', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER");
  }
  return window;
}

at::Tensor pad_spatial(const at::Tensor& x, const std::vector<int64_t>& begin, const std::vector<int64_t>& end,
                       double value) {
  std::vector<int64_t> pads;  // libtorch counts from the last axis
  for (size_t i = begin.size(); i-- > 0;) pads.insert(pads.end(), {begin[i], end[i]});
  return at::constant_pad_nd(x, pads, value);
}

namespace {

/// A layer that treats each pixel alone takes rows of the images for more images. libtorch gives oneDNN such layers
/// from 16 images on only, when it runs on one thread, and has a slower way, by copies, for fewer.
int64_t rows_as_images(const at::Tensor& x, const at::Tensor& weight, const Window& window, int64_t groups) {
  auto all = [](const std::vector<int64_t>& values, int64_t wanted) {
    return std::all_of(values.begin(), values.end(), [=](int64_t value) { return value == wanted; });
  };
  bool alone = x.dim() == 4 && weight.size(2) == 1 && weight.size(3) == 1 && groups == 1 && all(window.stride, 1) &&
               all(window.begin, 0) && all(window.end, 0) && x.is_contiguous(at::MemoryFormat::ChannelsLast);
  if (!alone) return 1;
  int64_t parts = 1;
  while (parts < x.size(2) && (x.size(0) * parts < 16 || x.size(2) % parts != 0)) ++parts;
  return parts;
}

/// The same rows of pixels as that many images of that height; no copy of channels-last memory.
at::Tensor regroup(const at::Tensor& x, int64_t images, int64_t height) {
  return x.permute({0, 2, 3, 1}).reshape({images, height, x.size(3), x.size(1)}).permute({0, 3, 1, 2});
}

}  // namespace

Tensors conv(OpCall& call) {
  at::Tensor x = call.in(0);
  const at::Tensor& weight = call.in(1);
  if (x.dim() < 3 || weight.dim() != x.dim())
    call.fail(fmt::format("input has rank {} and weight {}, expected one rank from 3 to 5", x.dim(), weight.dim()));
  Window window = read_window(call, weight.sizes().slice(2).vec(), x.sizes().slice(2));
  if (!window.symmetric()) {
    x = pad_spatial(x, window.begin, window.end, 0);
    window.begin.assign(window.begin.size(), 0);
  }
  c10::optional<at::Tensor> bias;
  if (call.has(2)) bias = call.in(2);
  int64_t groups = call.integer("group", 1);
  auto run = [&](const at::Tensor& images) {
    return at::convolution(images, weight, bias, window.stride, window.begin, window.dilation, false,
                           std::vector<int64_t>(window.begin.size(), 0), groups);
  };
  int64_t parts = rows_as_images(x, weight, window, groups);
  if (parts == 1) return {run(x)};
  at::Tensor y = run(regroup(x, x.size(0) * parts, x.size(2) / parts));
  return {regroup(y, x.size(0), x.size(2))};
}

Tensors conv_transpose(OpCall& call) {
  const at::Tensor &x = call.in(0), &weight = call.in(1);
  size_t rank = static_cast<size_t>(x.dim()) - 2;
  OpCall plain{call.node, call.attributes, {}};
  Window window = read_window(plain, weight.sizes().slice(2).vec(), x.sizes().slice(2));
  std::vector<int64_t> extra = call.integers("output_padding"), sizes = call.integers("output_shape");
  extra.resize(rank, 0);
  std::string automatic = call.text("auto_pad", "NOTSET");
  bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
  // The full result without padding is cropped by `begin` and `end`; a negative crop pads with zeros.
  for (size_t i = 0; i < rank; ++i) {
    int64_t extent = (window.kernel[i] - 1) * window.dilation[i] + 1;
    int64_t full = window.stride[i] * (x.size(static_cast<int64_t>(i) + 2) - 1) + extra[i] + extent;
    if (sizes.empty() && !same) continue;
    int64_t wanted =
        sizes.empty() ? x.size(static_cast<int64_t>(i) + 2) * window.stride[i] : sizes[sizes.size() - rank + i];
    int64_t total = full - wanted;
    window.begin[i] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
    window.end[i] = total - window.begin[i];
  }
  c10::optional<at::Tensor> bias;
  if (call.has(2)) bias = call.in(2);
  int64_t groups = call.integer("group", 1);
  if (window.symmetric() && std::all_of(window.begin.begin(), window.begin.end(), [](int64_t p) { return p >= 0; }))
    return {at::convolution(x, weight, bias, window.stride, window.begin, window.dilation, true, extra, groups)};
  std::vector<int64_t> none(rank, 0);
  at::Tensor full = at::convolution(x, weight, bias, window.stride, none, window.dilation, true, extra, groups);
  for (size_t i = 0; i < rank; ++i) window.begin[i] = -window.begin[i], window.end[i] = -window.end[i];
  return {pad_spatial(full, window.begin, window.end, 0)};
}

Tensors gemm(OpCall& call) {
  at::Tensor a = call.in(0), b = call.in(1);
  if (call.integer("transA", 0)) a = a.t();
  if (call.integer("transB", 0)) b = b.t();
  at::Tensor y = at::matmul(a, b);
  double alpha = call.real("alpha", 1), beta = call.real("beta", 1);
  if (alpha != 1) y = y * alpha;
  if (call.has(2)) y = at::add(y, call.in(2), beta);
  return {y};
}

Tensors matmul(OpCall& call) { return {at::matmul(call.in(0), call.in(1))}; }

}  // namespace hone::torch_ops
