#include "quantize/samples.hpp"

#include <iterator>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"

namespace hone {

namespace {

// Enough for means of rounding errors and the like, and small enough to keep.
constexpr size_t most_kept = 64, most_kept_bytes = 128 << 20;
// With fewer, none is held out; with more, a quarter is.
constexpr size_t least_to_hold_out = 16;

void check_inputs(const Graph& graph, const std::vector<Tensor>& tensors, int sample) {
  const auto& inputs = graph.inputs();
  std::string place = fmt::format("calibration sample {}", sample);
  if (tensors.size() != inputs.size())
    throw Error(place, fmt::format("has {} tensors, the model has {} inputs", tensors.size(), inputs.size()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& tensor = tensors[i];
    if (!tensor.defined()) throw Error(place, fmt::format("has no tensor for input '{}'", inputs[i]->name));
    if (tensor.dtype() != inputs[i]->dtype() || !matches(inputs[i]->shape(), tensor.dims()))
      throw Error(place,
                  fmt::format("tensor for input '{}' is {}{}, expected {}", inputs[i]->name, name_of(tensor.dtype()),
                              to_string(tensor.dims()), to_string(inputs[i]->type)),
                  "prepare calibration images as the model's inputs are prepared");
  }
}

}  // namespace

int images_in(const std::vector<Tensor>& tensors) {
  return tensors.empty() || tensors[0].rank() < 2 ? 1 : static_cast<int>(std::max<int64_t>(1, tensors[0].dim(0)));
}

SampleStream::SampleStream(const Graph& model, const CalibrationSource& source, int subset_size)
    : model_(model), source_(source), subset_size_(subset_size) {
  size_t bytes = 0;
  std::vector<Tensor> inputs;
  while (kept_.size() < most_kept && bytes < most_kept_bytes && read(inputs)) {
    kept_.emplace_back();
    // The source may fill the same memory again.
    for (const Tensor& input : inputs) {
      kept_.back().push_back(input.clone());
      bytes += input.bytes();
    }
  }
  if (kept_.empty())
    throw Error("quantize", "got no calibration data", "give a folder or list with at least one readable image");
  if (kept_.size() < least_to_hold_out) return;
  auto first = kept_.end() - static_cast<std::ptrdiff_t>(kept_.size() / 4);
  held_out_.assign(std::make_move_iterator(first), std::make_move_iterator(kept_.end()));
  kept_.erase(first, kept_.end());
}

bool SampleStream::read(std::vector<Tensor>& inputs) {
  check_interrupt("quantize");
  if (ended_ || samples_ >= subset_size_) return false;
  inputs.clear();
  ended_ = !source_(inputs);
  if (ended_) return false;
  check_inputs(model_, inputs, samples_ + 1);
  samples_ += images_in(inputs);
  return true;
}

bool SampleStream::next(std::vector<Tensor>& inputs) {
  check_interrupt("quantize");
  if (next_ < kept_.size()) {
    inputs = kept_[next_++];
    return true;
  }
  if (kept_only_) return false;
  if (next_ < kept_.size() + held_out_.size()) {
    inputs = held_out_[next_++ - kept_.size()];
    return true;
  }
  streams_ = true;
  return read(inputs);
}

}  // namespace hone
