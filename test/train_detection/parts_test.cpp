// A batch in parts is trained as the whole batch is.
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "train/part_sum.hpp"
#include "train/replicas.hpp"
#include "train/templates.hpp"

namespace hone {
namespace {

struct Pass {
  at::Tensor outputs;
  std::vector<at::Tensor> gradients, buffers;
};

/// Gradients of half the sum of squares of the first output, of a batch in parts of uneven size.
Pass pass(const Graph& graph, const at::Tensor& images, int parts) {
  ReplicaThreads threads(parts);
  Replicas model(graph, {}, parts, true);
  PartSums sums(parts, nullptr);
  sums.begin(parts);
  std::vector<at::Tensor> outputs(static_cast<size_t>(parts));
  int64_t count = images.size(0);
  threads.run(parts, [&](int part) {
    int64_t first = count * part / parts, own = count * (part + 1) / parts - first;
    std::vector<at::Tensor> y = model[part].forward({images.narrow(0, first, own)}, {first, count, 5, &sums[part]});
    std::vector<at::Tensor> gradients{y[0].detach()};
    for (size_t i = 1; i < y.size(); ++i) gradients.push_back(at::zeros_like(y[i]));
    torch::autograd::backward(y, gradients);
    outputs[static_cast<size_t>(part)] = y[0].detach();
  });
  model.gather_gradients();
  Pass result{at::cat(outputs), {}, {}};
  for (auto& variable : model.main().parameters()) result.gradients.push_back(variable.tensor.grad());
  for (auto& variable : model.main().buffers()) result.buffers.push_back(variable.tensor);
  return result;
}

/// Of all together, relative: gradients that are 0 but for rounding do not count alone.
double difference(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double between = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].defined(), b[i].defined()) << i;
    between += (a[i] - b[i]).pow(2).sum().item<double>();
    norm += b[i].pow(2).sum().item<double>();
  }
  return std::sqrt(between / norm);
}

TEST(Parts, HaveTheGradientsAndStatisticsOfTheWholeBatch) {
  for (const char* name : {"mobilenet_v2", "resnet18", "bisenet", "yolox_nano"}) {
    SCOPED_TRACE(name);
    Graph graph =
        build_template(name, {.classes = 5, .width = 0.25, .height = 64, .width_px = 64, .dropout = 0.2, .seed = 3});
    at::Generator random = at::detail::createCPUGenerator(7);
    at::Tensor images = at::randn({7, 3, 64, 64}, random);
    Pass whole = pass(graph, images, 1);
    for (int parts : {2, 3, 7}) {
      Pass other = pass(graph, images, parts);
      EXPECT_LT(difference({other.outputs}, {whole.outputs}), 1e-4) << parts;
      EXPECT_LT(difference(other.gradients, whole.gradients), 1e-4) << parts;
      EXPECT_LT(difference(other.buffers, whole.buffers), 1e-5) << parts;
    }
  }
}

}  // namespace
}  // namespace hone
