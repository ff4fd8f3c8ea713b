#pragma once
#include <string>

#include "data/random.hpp"
#include "graph/graph.hpp"

namespace hone {

struct ConvSpec {
  int64_t out = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t group = 1;
};

/// Appends layers with freshly initialized weights to a graph. Tensors are [N, C, H, W].
class ModelBuilder {
 public:
  ModelBuilder(Graph& graph, uint64_t seed) : graph_(graph), rng_(seed) {}

  /// Convolution without bias, padded by kernel / 2; weights normal with variance 2 / fan-out (He et al. 2015).
  Value* conv(Value* x, const ConvSpec& spec, const std::string& name);
  /// BatchNormalization; `zero` starts its scale at 0.
  Value* batch_norm(Value* x, const std::string& name, bool zero = false);
  Value* relu6(Value* x, const std::string& name);
  Value* add(Value* a, Value* b, const std::string& name);
  /// Global average, flatten, dropout (when above 0) and a linear layer: logits [N, classes].
  Value* classifier(Value* x, int64_t classes, double dropout, const std::string& name);

 private:
  Value* weight(const std::string& name, const Dims& dims, double deviation);
  Graph& graph_;
  Rng rng_;
  Value *zero_ = nullptr, *six_ = nullptr;
};

/// `channels` times `width`, rounded to a multiple of 8 and never below 90% of it (as MobileNet does).
int64_t scaled_channels(int64_t channels, double width);

}  // namespace hone
