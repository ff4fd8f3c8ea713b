#include "graph/ops/nn/window.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone::ops {

bool Window::padded() const {
  auto positive = [](int64_t pad) { return pad > 0; };
  return std::any_of(pads_begin.begin(), pads_begin.end(), positive) ||
         std::any_of(pads_end.begin(), pads_end.end(), positive);
}

bool Window::is_dense() const {
  auto one = [](int64_t step) { return step == 1; };
  return std::all_of(strides.begin(), strides.end(), one) && std::all_of(dilations.begin(), dilations.end(), one);
}

bool Window::pointwise() const {
  auto one = [](int64_t size) { return size == 1; };
  return std::all_of(kernel.begin(), kernel.end(), one) && std::all_of(strides.begin(), strides.end(), one) &&
         !padded();
}

namespace {

constexpr int64_t largest = int64_t{1} << 30;  // keeps every product of two such numbers far from overflow

Dims list_or(const std::string& place, const char* name, const std::vector<int64_t>& given, size_t rank,
             int64_t fallback, int64_t smallest) {
  if (given.empty()) return Dims(rank, fallback);
  if (given.size() != rank)
    throw Error(place, fmt::format("{} has {} entries, expected {}", name, given.size(), rank));
  for (int64_t value : given)
    if (value < smallest || value > largest)
      throw Error(place, fmt::format("{} {} has an entry outside {} to 2^30", name, to_string(Dims(given)), smallest));
  return given;
}

bool is_same(const std::string& auto_pad) { return auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER"; }

void check_auto_pad(const std::string& place, const std::string& auto_pad) {
  if (!auto_pad.empty() && auto_pad != "NOTSET" && auto_pad != "VALID" && !is_same(auto_pad))
    throw Error(place, "auto_pad is '" + auto_pad + "', expected NOTSET, SAME_UPPER, SAME_LOWER or VALID");
}

/// Pads that make the output ceil(input / stride).
void pad_same(Window& window, const std::string& auto_pad, const Dims& spatial) {
  for (size_t i = 0; i < spatial.size(); ++i) {
    if (spatial[i] < 0) continue;
    int64_t output = (spatial[i] + window.strides[i] - 1) / window.strides[i];
    int64_t total = std::max<int64_t>(0, (output - 1) * window.strides[i] + window.extent(i) - spatial[i]);
    int64_t less = total / 2, more = total - less;
    window.pads_begin[i] = auto_pad == "SAME_UPPER" ? less : more;
    window.pads_end[i] = auto_pad == "SAME_UPPER" ? more : less;
  }
}

}  // namespace

Window resolve_window(const std::string& place, const WindowAttributes& attributes, const Dims& spatial,
                      const Dims& kernel) {
  size_t rank = spatial.size();
  check_auto_pad(place, attributes.auto_pad);
  if (attributes.kernel_shape.empty() && kernel.empty()) throw Error(place, "kernel_shape is missing");
  Window window;
  window.kernel =
      list_or(place, "kernel_shape", attributes.kernel_shape.empty() ? kernel : attributes.kernel_shape, rank, 1, 1);
  if (!kernel.empty() && window.kernel != kernel)
    throw Error(place, fmt::format("kernel_shape is {}, the weight has a kernel of {}", to_string(window.kernel),
                                   to_string(kernel)));
  window.strides = list_or(place, "strides", attributes.strides, rank, 1, 1);
  window.dilations = list_or(place, "dilations", attributes.dilations, rank, 1, 1);
  window.ceil_mode = attributes.ceil_mode;
  window.pads_begin = window.pads_end = Dims(rank, 0);
  if (is_same(attributes.auto_pad)) {
    pad_same(window, attributes.auto_pad, spatial);
  } else if (attributes.auto_pad != "VALID") {
    Dims pads = list_or(place, "pads", attributes.pads, 2 * rank, 0, 0);
    window.pads_begin.assign(pads.begin(), pads.begin() + static_cast<int64_t>(rank));
    window.pads_end.assign(pads.begin() + static_cast<int64_t>(rank), pads.end());
  }
  return window;
}

int64_t output_size(const Window& window, size_t axis, int64_t input) {
  int64_t stride = window.strides[axis];
  int64_t room = input + window.pads_begin[axis] + window.pads_end[axis] - window.extent(axis);
  if (room < 0) return 0;
  int64_t output = (window.ceil_mode ? (room + stride - 1) / stride : room / stride) + 1;
  // A window that would begin in the padding at the end sees no input at all and is left out.
  if (window.ceil_mode && (output - 1) * stride >= input + window.pads_begin[axis]) --output;
  return output;
}

std::vector<Dim> output_spatial(const std::string& place, const WindowAttributes& attributes, const Shape& input,
                                const Dims& kernel) {
  Dims spatial;
  for (size_t i = 2; i < input.dims.size(); ++i) spatial.push_back(input[i].value);
  Window window = resolve_window(place, attributes, spatial, kernel);
  std::vector<Dim> result;
  for (size_t i = 0; i < spatial.size(); ++i) {
    const Dim& size = input[i + 2];
    if (!size.known()) {
      // The common "same" convolutions keep a symbolic size.
      bool keeps = window.strides[i] == 1 && (is_same(attributes.auto_pad) ||
                                              window.pads_begin[i] + window.pads_end[i] == window.extent(i) - 1);
      result.push_back(keeps ? size : Dim());
      continue;
    }
    int64_t output = output_size(window, i, size.value);
    if (output < 1)
      throw Error(place,
                  fmt::format("input size {} of spatial axis {} with pads {} and {} is smaller than the window ({})",
                              size.value, i, window.pads_begin[i], window.pads_end[i], window.extent(i)),
                  "use a larger input");
    result.emplace_back(output);
  }
  return result;
}

}  // namespace hone::ops
