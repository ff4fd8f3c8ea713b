// How many inferences a second a model does on one session and on streams: throughput MODEL [SECONDS [STREAMS]]
//
// Shows tensors over own memory, outputs that are written in place, requests with callbacks, and the profile of the
// layers.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <hone/hone.hpp>

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Zeros for every input; open sizes become 1, those of images 224.
std::vector<hone::Tensor> make_inputs(const hone::Model& model) {
  std::vector<hone::Tensor> inputs;
  for (const hone::Port& port : model.inputs()) {
    hone::Dims dims;
    for (const hone::Dim& dim : port.shape.dims) dims.push_back(dim.known() ? dim.size : dims.empty() ? 1 : 224);
    hone::Tensor tensor(port.dtype, dims);
    std::memset(tensor.mutable_raw(), 0, tensor.bytes());
    inputs.push_back(tensor);
  }
  return inputs;
}

double one_session(const hone::Model& model, double seconds) {
  hone::Session session(model);
  std::vector<hone::Tensor> inputs = make_inputs(model);
  std::vector<hone::Tensor> outputs(model.outputs().size());  // the first run makes them, later ones write into them
  session.run(inputs, outputs);
  session.set_profiling(true);
  int runs = 0;
  auto begin = Clock::now();
  for (; seconds_since(begin) < seconds; ++runs) session.run(inputs, outputs);
  double rate = runs / seconds_since(begin);

  std::vector<hone::LayerProfile> layers = session.profile().layers;
  std::sort(layers.begin(), layers.end(), [](auto& a, auto& b) { return a.milliseconds > b.milliseconds; });
  layers.resize(std::min<size_t>(layers.size(), 3));
  std::printf("slowest layers:\n");
  for (const hone::LayerProfile& layer : layers)
    std::printf("  %-20s %-16s %8.3f ms  %s\n", layer.node.c_str(), layer.op.c_str(), layer.milliseconds,
                layer.kernel.c_str());
  return rate;
}

double many_streams(const hone::Model& model, double seconds, int count) {
  hone::Streams streams(model, {.streams = count});
  std::atomic<int> done{0}, failed{0};
  auto on_done = [&](std::vector<hone::Tensor>, std::exception_ptr error) { ++(error ? failed : done); };
  for (int i = 0; i < 2 * streams.streams(); ++i) streams.submit(make_inputs(model), on_done);  // each stream compiles
  streams.wait();
  done = 0;
  std::vector<hone::Tensor> inputs = make_inputs(model);
  auto begin = Clock::now();
  while (seconds_since(begin) < seconds) streams.submit(inputs, on_done);  // waits when the queue is full
  streams.wait();
  double rate = done / seconds_since(begin);
  if (failed > 0) throw hone::Error("streams", "some requests failed");
  std::printf("%d streams\n", streams.streams());
  return rate;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: throughput MODEL [SECONDS [STREAMS]]\n");
    return 2;
  }
  double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  try {
    hone::Model model(argv[1]);
    std::printf("hone %s\n", hone::version());
    double session = one_session(model, seconds);
    double streams = many_streams(model, seconds, argc > 3 ? std::atoi(argv[3]) : 0);
    std::printf("one session %.1f inferences/s, streams %.1f inferences/s\n", session, streams);
  } catch (const hone::Error& error) {
    std::fprintf(stderr, "throughput: %s\n", error.what());
    return 1;
  }
  return 0;
}
