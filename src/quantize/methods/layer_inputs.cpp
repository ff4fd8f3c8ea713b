#include <algorithm>
#include <random>

#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/window.hpp"
#include "quantize/int8_ops.hpp"
#include "quantize/methods/adaround.hpp"

namespace hone {

namespace {

bool is_transposed(const Node& layer) {
  const auto* gemm = layer.as<ops::Gemm>();
  return gemm && gemm->transB;
}

// Visits the elements of the window of one output position: visit(channel, tap, offset of the element or -1 for
// padding).
class Windows {
 public:
  Windows(const Node& layer, const Dims& input, const Dims& kernel)
      : spatial_(input.begin() + 2, input.end()),
        window_(ops::resolve_window(layer.place(), ops::window_attributes(*layer.as<ops::Conv>()), spatial_, kernel)) {
    for (size_t axis = 0; axis < spatial_.size(); ++axis)
      outputs_.push_back(ops::output_size(window_, axis, spatial_[axis]));
  }
  int64_t positions() const { return element_count(outputs_); }
  // Offsets within one channel of the taps of output position `index`, -1 for padding.
  std::vector<int64_t> taps(int64_t index) const {
    std::vector<int64_t> offsets{0};
    std::vector<int64_t> position(spatial_.size());
    for (size_t axis = spatial_.size(); axis-- > 0;) {
      position[axis] = index % outputs_[axis];
      index /= outputs_[axis];
    }
    for (size_t axis = 0; axis < spatial_.size(); ++axis) {
      std::vector<int64_t> next;
      for (int64_t offset : offsets)
        for (int64_t tap = 0; tap < window_.kernel[axis]; ++tap) {
          int64_t at =
              position[axis] * window_.strides[axis] - window_.pads_begin[axis] + tap * window_.dilations[axis];
          bool inside = offset >= 0 && at >= 0 && at < spatial_[axis];
          next.push_back(inside ? offset * spatial_[axis] + at : -1);
        }
      offsets = std::move(next);
    }
    return offsets;
  }

 private:
  Dims spatial_, outputs_;
  ops::Window window_;
};

}  // namespace

bool LayerInputs::supports(const Node& layer) {
  if (!constant_f32(layer.input(1))) return false;
  if (layer.is("Conv")) return true;
  const auto* gemm = layer.as<ops::Gemm>();
  return layer.input(1)->constant().rank() == 2 && (layer.is("MatMul") || (gemm && !gemm->transA && gemm->alpha == 1));
}

LayerInputs::LayerInputs(const Node& layer, int64_t rows) : layer_(layer), rows_(rows) {
  const Tensor& w = layer.input(1)->constant();
  if (const auto* conv = layer.as<ops::Conv>()) {
    groups_ = conv->group;
    length_ = w.size() / w.dim(0);
  } else {
    length_ = w.dim(is_transposed(layer) ? 1 : 0);
  }
}

void LayerInputs::add(const Tensor& activation, int64_t count, uint64_t seed) {
  count = std::min(count, rows_ - static_cast<int64_t>(data_.size()) / width());
  std::mt19937_64 random(seed);
  const float* x = activation.data<float>().data();
  if (!layer_.is("Conv")) {
    int64_t total = activation.size() / length_;
    for (int64_t i = 0; i < std::min(count, total); ++i) {
      int64_t row = total <= count ? i : static_cast<int64_t>(random() % static_cast<uint64_t>(total));
      data_.insert(data_.end(), x + row * length_, x + (row + 1) * length_);
    }
    return;
  }
  const Dims& dims = activation.dims();
  const Dims& weights = layer_.input(1)->constant().dims();
  Windows windows(layer_, dims, Dims(weights.begin() + 2, weights.end()));
  int64_t per_channel = element_count(Dims(dims.begin() + 2, dims.end())), total = windows.positions() * dims[0];
  for (int64_t i = 0; i < std::min(count, total); ++i) {
    int64_t index = total <= count ? i : static_cast<int64_t>(random() % static_cast<uint64_t>(total));
    const float* image = x + index / windows.positions() * dims[1] * per_channel;
    std::vector<int64_t> taps = windows.taps(index % windows.positions());
    for (int64_t c = 0; c < dims[1]; ++c)
      for (int64_t tap : taps) data_.push_back(tap < 0 ? 0.0F : image[c * per_channel + tap]);
  }
}

bool LayerInputs::round(QuantizedWeights& quantized, const std::vector<float>& bias, bool relu, int largest,
                        const std::function<std::vector<int8_t>(const RoundingProblem&)>& rounder) const {
  const Tensor& w = layer_.input(1)->constant();
  int64_t samples = static_cast<int64_t>(data_.size()) / std::max<int64_t>(1, width());
  int64_t outputs = static_cast<int64_t>(quantized.scales.size()), rows = outputs / groups_;
  if (samples == 0 || outputs * length_ != w.size()) return false;
  bool columns = !layer_.is("Conv") && !is_transposed(layer_);  // weights are [length, outputs]
  const float* source = w.data<float>().data();
  auto place = [&](int64_t m, int64_t k) { return columns ? k * outputs + m : m * length_ + k; };
  std::vector<float> weights(static_cast<size_t>(outputs * length_));
  for (int64_t m = 0; m < outputs; ++m)
    for (int64_t k = 0; k < length_; ++k) weights[static_cast<size_t>(m * length_ + k)] = source[place(m, k)];
  int8_t* target = quantized.values.mutable_data<int8_t>().data();
  for (int64_t g = 0; g < groups_; ++g) {
    RoundingProblem problem{.rows = rows, .length = length_, .weights = weights.data() + g * rows * length_,
                            .scales = quantized.scales.data() + g * rows, .relu = relu, .samples = samples,
                            .stride = width(), .inputs = data_.data() + g * length_, .largest = largest};
    if (bias.size() == static_cast<size_t>(outputs)) problem.bias = bias.data() + g * rows;
    std::vector<int8_t> rounded = rounder(problem);
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t k = 0; k < length_; ++k)
        target[place(g * rows + m, k)] = rounded[static_cast<size_t>(m * length_ + k)];
  }
  return true;
}

}  // namespace hone
