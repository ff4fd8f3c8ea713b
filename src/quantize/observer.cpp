#include "quantize/observer.hpp"

#include <cmath>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/interrupt.hpp"

namespace hone {

namespace {

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

std::string producer_place(const Value& value) {
  return value.producer() ? value.producer()->place() : "input '" + value.name + "'";
}

// sums[c] += map(x) over the elements x of channel c
template <class Map>
void add_channels(ChannelSums& channels, const Tensor& tensor, int axis, Map map) {
  if (axis >= tensor.rank()) return;
  int64_t outer = 1, count = tensor.dim(axis), inner = 1;
  for (int i = 0; i < axis; ++i) outer *= tensor.dim(i);
  for (int i = axis + 1; i < tensor.rank(); ++i) inner *= tensor.dim(i);
  channels.sums.resize(static_cast<size_t>(count));
  const float* data = tensor.data<float>().data();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t c = 0; c < count; ++c, data += inner) {
      double sum = 0;
      for (int64_t i = 0; i < inner; ++i) sum += map(data[i]);
      channels.sums[static_cast<size_t>(c)] += sum;
    }
  channels.count += static_cast<double>(outer * inner);
}

void learn(const Value& value, const Observed& wanted, const Tensor& tensor, int sample, Observation& observation) {
  if (tensor.dtype() != DType::f32)
    throw Error(producer_place(value), fmt::format("ran as {}, expected f32", name_of(tensor.dtype())));
  // The means need finite values too, so the histogram is filled for both.
  if (!observation.histogram.add(tensor.data<float>()))
    throw Error(producer_place(value), fmt::format("yields NaN or infinity for calibration sample {}", sample),
                "check the model in fp32 and the preprocessing of the calibration data");
  if (wanted.mean_axis >= 0) add_channels(observation.channels, tensor, wanted.mean_axis, [](float x) { return x; });
  observation.dims = tensor.dims();
}

int images_in(const std::vector<Tensor>& tensors) {
  return tensors.empty() || tensors[0].rank() < 2 ? 1 : static_cast<int>(std::max<int64_t>(1, tensors[0].dim(0)));
}

// Enough for the means of rounding errors, and small enough to keep.
constexpr size_t most_kept = 64, most_kept_bytes = 256 << 20;

}  // namespace

std::vector<double> ChannelSums::means() const {
  std::vector<double> means(sums);
  for (double& mean : means) mean /= count;
  return means;
}

Observer::Observer(const Graph& graph, ObservationPlan plan, const MakeRunner& make_runner)
    : graph_(graph), plan_(std::move(plan)) {
  Graph probed = graph.clone();
  add_probes(probed);
  output_count_ = probed.outputs().size();
  run_ = make_runner(probed);
}

void Observer::add_probes(Graph& probed) {
  for (auto& [value, wanted] : plan_) {
    if (value->is_input()) {
      size_t index = 0;
      while (probed.inputs()[index]->name != value->name) ++index;
      probes_.push_back({true, index});
    } else {
      probes_.push_back({false, probed.outputs().size()});
      probed.add_output("", probed.find_value(value->name));
    }
  }
}

// The observed values, in the order of the plan.
std::vector<Tensor> Observer::run(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs = run_(inputs), values;
  if (outputs.size() != output_count_)
    throw Error("quantize", fmt::format("the runner gave {} outputs, expected {}", outputs.size(), output_count_));
  for (const Probe& probe : probes_) values.push_back(probe.is_input ? inputs[probe.index] : outputs[probe.index]);
  return values;
}

void Observer::keep(const std::vector<Tensor>& inputs) {
  size_t bytes = 0;
  for (const Tensor& input : inputs) bytes += input.bytes();
  if (kept_.size() >= most_kept || kept_bytes_ + bytes > most_kept_bytes) return;
  kept_bytes_ += bytes;
  kept_.emplace_back();
  // The source may fill the same memory again.
  for (const Tensor& input : inputs) kept_.back().push_back(input.clone());
}

int Observer::collect(const CalibrationSource& source, int subset_size, Progress& progress) {
  int samples = 0;
  progress.begin("calibrate", subset_size);
  std::vector<Tensor> inputs;
  while (samples < subset_size) {
    check_interrupt("quantize");
    inputs.clear();
    if (!source(inputs)) break;
    check_inputs(graph_, inputs, samples + 1);
    std::vector<Tensor> values = run(inputs);
    for (size_t i = 0; i < plan_.size(); ++i)
      learn(*plan_[i].first, plan_[i].second, values[i], samples + 1, seen_[plan_[i].first]);
    keep(inputs);
    samples += images_in(inputs);
    progress.update(std::min(samples, subset_size));
  }
  progress.end();
  if (samples == 0)
    throw Error("quantize", "got no calibration data", "give a folder or list with at least one readable image");
  return samples;
}

void Observer::measure_rounding(const std::map<const Value*, TensorQuant>& quants, Progress& progress) {
  progress.begin("measure rounding", static_cast<int64_t>(kept_.size()));
  int64_t done = 0;
  for (const auto& inputs : kept_) {
    check_interrupt("quantize");
    std::vector<Tensor> values = run(inputs);
    for (size_t i = 0; i < plan_.size(); ++i) {
      auto& [value, wanted] = plan_[i];
      if (wanted.mean_axis < 0) continue;
      const TensorQuant& quant = quants.at(value);
      add_channels(seen_[value].rounding, values[i], wanted.mean_axis,
                   [&](float x) { return static_cast<double>(round_trip(x, quant)) - x; });
    }
    progress.update(++done);
  }
  progress.end();
}

}  // namespace hone
