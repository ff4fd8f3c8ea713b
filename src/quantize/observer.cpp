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

void add_channel_sums(Observation& observation, const Tensor& tensor, int axis) {
  if (axis >= tensor.rank()) return;
  int64_t outer = 1, channels = tensor.dim(axis), inner = 1;
  for (int i = 0; i < axis; ++i) outer *= tensor.dim(i);
  for (int i = axis + 1; i < tensor.rank(); ++i) inner *= tensor.dim(i);
  observation.channel_sums.resize(static_cast<size_t>(channels));
  const float* data = tensor.data<float>().data();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t c = 0; c < channels; ++c, data += inner) {
      double sum = 0;
      for (int64_t i = 0; i < inner; ++i) sum += data[i];
      observation.channel_sums[static_cast<size_t>(c)] += sum;
    }
  observation.per_channel += static_cast<double>(outer * inner);
}

void learn(const Value& value, const Observed& wanted, const Tensor& tensor, int sample, Observation& observation) {
  if (tensor.dtype() != DType::f32)
    throw Error(producer_place(value), fmt::format("ran as {}, expected f32", name_of(tensor.dtype())));
  // The means need finite values too, so the histogram is filled for both.
  if (!observation.histogram.add(tensor.data<float>()))
    throw Error(producer_place(value), fmt::format("yields NaN or infinity for calibration sample {}", sample),
                "check the model in fp32 and the preprocessing of the calibration data");
  if (wanted.mean_axis >= 0) add_channel_sums(observation, tensor, wanted.mean_axis);
  observation.dims = tensor.dims();
}

// Where observed value i is found: among the tensors that go in or among those that come out.
struct Probe {
  bool is_input = false;
  size_t index = 0;
};

std::vector<Probe> add_probes(Graph& probed, const ObservationPlan& plan) {
  std::vector<Probe> probes;
  for (auto& [value, wanted] : plan) {
    if (value->is_input()) {
      size_t index = 0;
      while (probed.inputs()[index]->name != value->name) ++index;
      probes.push_back({true, index});
    } else {
      probes.push_back({false, probed.outputs().size()});
      probed.add_output("", probed.find_value(value->name));
    }
  }
  return probes;
}

int images_in(const std::vector<Tensor>& tensors) {
  return tensors.empty() || tensors[0].rank() < 2 ? 1 : static_cast<int>(std::max<int64_t>(1, tensors[0].dim(0)));
}

}  // namespace

std::vector<double> Observation::channel_means() const {
  std::vector<double> means(channel_sums);
  for (double& mean : means) mean /= per_channel;
  return means;
}

Calibration observe(const Graph& graph, const ObservationPlan& plan, const CalibrationSource& source,
                    const MakeRunner& make_runner, int subset_size, Progress& progress) {
  Graph probed = graph.clone();
  std::vector<Probe> probes = add_probes(probed, plan);
  RunModel run = make_runner(probed);
  Calibration result;
  progress.begin("calibrate", subset_size);
  std::vector<Tensor> inputs;
  while (result.samples < subset_size) {
    check_interrupt("quantize");
    inputs.clear();
    if (!source(inputs)) break;
    check_inputs(graph, inputs, result.samples + 1);
    std::vector<Tensor> outputs = run(inputs);
    if (outputs.size() != probed.outputs().size())
      throw Error("quantize", fmt::format("the runner gave {} outputs, expected {}", outputs.size(), probed.outputs().size()));
    for (size_t i = 0; i < plan.size(); ++i)
      learn(*plan[i].first, plan[i].second, probes[i].is_input ? inputs[probes[i].index] : outputs[probes[i].index],
            result.samples + 1, result.values[plan[i].first]);
    result.samples += images_in(inputs);
    progress.update(std::min(result.samples, subset_size));
  }
  progress.end();
  if (result.samples == 0)
    throw Error("quantize", "got no calibration data", "give a folder or list with at least one readable image");
  return result;
}

}  // namespace hone
