#include "quantize/observer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/cpu.hpp"
#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "base/threads.hpp"

namespace hone {

namespace {

std::string producer_place(const Graph& graph, const std::string& name) {
  const Value* value = graph.find_value(name);
  return value && value->producer() ? value->producer()->place() : "input '" + name + "'";
}

// The part of a graph that makes these values. The number of outputs cannot shrink: those too many repeat the first.
Graph with_outputs(Graph graph, const std::vector<Value*>& wanted) {
  size_t before = graph.outputs().size();
  for (size_t i = 0; i < std::max(before, wanted.size()); ++i) {
    if (i < before) graph.set_output(i, wanted[i < wanted.size() ? i : 0]);
    else graph.add_output("", wanted[i]);
  }
  graph.remove_dead();
  return graph;
}

// visit(channel, begin of its elements, how many) for each run of elements of one channel
template <class Visit>
void each_run(const Tensor& tensor, int axis, Visit visit) {
  int64_t outer = 1, count = tensor.dim(axis), inner = 1;
  for (int i = 0; i < axis; ++i) outer *= tensor.dim(i);
  for (int i = axis + 1; i < tensor.rank(); ++i) inner *= tensor.dim(i);
  const float* data = tensor.data<float>().data();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t c = 0; c < count; ++c, data += inner) visit(static_cast<size_t>(c), data, inner);
}

// The sum of map(x), in independent lanes: one sum would wait for each addition.
template <class Map>
double sum_of(const float* data, int64_t count, Map map) {
  constexpr int64_t lanes = 8;
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] += static_cast<double>(map(data[i + lane]));
  double sum = 0;
  for (; i < count; ++i) sum += static_cast<double>(map(data[i]));
  for (double part : sums) sum += part;
  return sum;
}

// sums[c] += map(x) over the elements x of channel c
template <class Map>
void add_channels(ChannelSums& channels, const Tensor& tensor, int axis, Map map) {
  if (axis >= tensor.rank() || tensor.size() == 0) return;
  channels.sums.resize(static_cast<size_t>(tensor.dim(axis)));
  each_run(tensor, axis, [&](size_t c, const float* data, int64_t count) {
    channels.sums[c] += sum_of(data, count, map);
  });
  channels.count += static_cast<double>(tensor.size() / tensor.dim(axis));
}

void raise_magnitudes(std::vector<float>& magnitudes, const Tensor& tensor, int axis) {
  if (axis >= tensor.rank()) return;
  magnitudes.resize(static_cast<size_t>(tensor.dim(axis)));
  each_run(tensor, axis, [&](size_t c, const float* data, int64_t count) {
    Extremes found = extremes({data, static_cast<size_t>(count)});
    magnitudes[c] = std::max({magnitudes[c], found.high, -found.low});
  });
}

// The extremes of each image, where the first size counts them.
void add_extremes(Observation& observation, const Tensor& tensor, int images) {
  int64_t parts = tensor.rank() > 1 && tensor.dim(0) == images ? images : 1, length = tensor.size() / parts;
  const float* data = tensor.data<float>().data();
  for (int64_t part = 0; part < parts && length > 0; ++part, data += length) {
    Extremes found = extremes({data, static_cast<size_t>(length)});
    observation.low_sum += found.low;
    observation.high_sum += found.high;
    ++observation.batches;
  }
}

// False when a number is NaN or infinite. Samples that are held out have no part in means.
bool learn(const Observed& wanted, const Tensor& tensor, int images, bool held_out, Observation& observation) {
  // The means need finite values too, so the histogram is filled for both.
  if (!observation.histogram.add(tensor.data<float>())) return false;
  if (wanted.range) add_extremes(observation, tensor, images);
  if (wanted.mean_axis >= 0 && !held_out)
    add_channels(observation.channels, tensor, wanted.mean_axis, [](float x) { return x; });
  if (wanted.magnitude_axis >= 0) raise_magnitudes(observation.magnitudes, tensor, wanted.magnitude_axis);
  if (wanted.square_axis >= 0)
    add_channels(observation.squares, tensor, wanted.square_axis, [](float x) { return double{x} * x; });
  observation.dims = tensor.dims();
  return true;
}

}  // namespace

std::vector<double> ChannelSums::means() const {
  std::vector<double> means(sums);
  for (double& mean : means) mean /= count;
  return means;
}

std::optional<Range> Observation::mean_range() const {
  if (batches == 0) return std::nullopt;
  return Range{low_sum / batches, high_sum / batches};
}

ObservationPlan in_graph_order(const Graph& graph, const std::map<std::string, Observed>& wanted) {
  ObservationPlan plan;
  auto take = [&](const Value* value) {
    auto found = wanted.find(value->name);
    if (found != wanted.end()) plan.push_back(*found);
  };
  for (const Value* input : graph.inputs()) take(input);
  for (auto& node : graph.nodes())
    for (const Value* output : node->outputs()) take(output);
  return plan;
}

Probe::Probe(const Graph& graph, const std::vector<std::string>& values, const MakeRunner& make_runner) {
  Graph probed = graph.clone();
  std::vector<Value*> wanted;
  for (const std::string& name : values) {
    Value* value = probed.find_value(name);
    if (value->is_input()) {
      const auto& inputs = probed.inputs();
      places_.push_back({true, static_cast<size_t>(std::find(inputs.begin(), inputs.end(), value) - inputs.begin())});
    } else {
      places_.push_back({false, wanted.size()});
      wanted.push_back(value);
    }
  }
  if (wanted.empty()) return;
  Graph part = with_outputs(std::move(probed), wanted);
  output_count_ = part.outputs().size();
  run_ = make_runner(part);
}

std::vector<Tensor> Probe::run(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs, values;
  if (run_) outputs = run_(inputs);
  if (outputs.size() != output_count_)
    throw Error("quantize", fmt::format("the runner gave {} outputs, expected {}", outputs.size(), output_count_));
  for (const Place& place : places_) values.push_back(place.is_input ? inputs[place.index] : outputs[place.index]);
  return values;
}

Observations observe(const Graph& graph, const ObservationPlan& plan, const MakeRunner& make_runner,
                     SampleStream& samples, Progress& progress, int* samples_seen) {
  std::vector<std::string> names;
  for (auto& [name, wanted] : plan) names.push_back(name);
  Probe probe(graph, names, make_runner);
  ThreadPool pool(cpu_features().cores);
  std::vector<Observation> seen(plan.size());
  std::vector<char> fine(plan.size(), 1);
  int count = 0;
  progress.begin("calibrate", samples.subset_size());
  std::vector<Tensor> inputs;
  for (samples.rewind(); samples.next(inputs);) {
    std::vector<Tensor> values = probe.run(inputs);
    for (size_t i = 0; i < plan.size(); ++i)
      if (values[i].dtype() != DType::f32)
        throw Error(producer_place(graph, names[i]),
                    fmt::format("ran as {}, expected f32", name_of(values[i].dtype())));
    pool.parallel_for(static_cast<int64_t>(plan.size()), [&](int64_t task, int) {
      size_t i = static_cast<size_t>(task);
      fine[i] = learn(plan[i].second, values[i], images_in(inputs), samples.gave_held_out(), seen[i]);
    });
    for (size_t i = 0; i < plan.size(); ++i)
      if (!fine[i])
        throw Error(producer_place(graph, names[i]),
                    fmt::format("yields NaN or infinity for calibration sample {}", count + 1),
                    "check the model in fp32 and the preprocessing of the calibration data");
    count += images_in(inputs);
    progress.update(std::min(count, samples.subset_size()));
  }
  progress.end();
  if (samples_seen) *samples_seen = count;
  Observations result;
  for (size_t i = 0; i < plan.size(); ++i) result[names[i]] = std::move(seen[i]);
  return result;
}

std::map<std::string, ChannelSums> measure_rounding(const Graph& graph, const std::map<std::string, int>& axes,
                                                    const std::map<std::string, TensorQuant>& quants,
                                                    const MakeRunner& make_runner, const SampleStream& samples,
                                                    Progress& progress) {
  std::vector<std::string> names;
  for (auto& [name, axis] : axes) names.push_back(name);
  Probe probe(graph, names, make_runner);
  ThreadPool pool(cpu_features().cores);
  std::vector<ChannelSums> sums(names.size());
  progress.begin("measure rounding", static_cast<int64_t>(samples.kept().size()));
  int64_t done = 0;
  for (const auto& inputs : samples.kept()) {
    check_interrupt("quantize");
    std::vector<Tensor> values = probe.run(inputs);
    pool.parallel_for(static_cast<int64_t>(names.size()), [&](int64_t task, int) {
      size_t i = static_cast<size_t>(task);
      const TensorQuant& quant = quants.at(names[i]);
      add_channels(sums[i], values[i], axes.at(names[i]),
                   [&](float x) { return static_cast<double>(round_trip(x, quant)) - static_cast<double>(x); });
    });
    progress.update(++done);
  }
  progress.end();
  std::map<std::string, ChannelSums> result;
  for (size_t i = 0; i < names.size(); ++i) result[names[i]] = std::move(sums[i]);
  return result;
}

}  // namespace hone
