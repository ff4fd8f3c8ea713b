#pragma once
#include <string>
#include <vector>

#include "data/random.hpp"
#include "graph/graph.hpp"

namespace hone {

struct ConvSpec {
  int64_t out = 0;
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t group = 1;
  int64_t dilation = 1;
  bool bias = false;
};

/// Appends layers with freshly initialized weights to a graph. Tensors are [N, C, H, W].
class ModelBuilder {
 public:
  ModelBuilder(Graph& graph, uint64_t seed) : graph_(graph), rng_(seed) {}

  /// Convolution padded by kernel / 2 (times the dilation); weights normal with variance 2 / fan-out (He et al. 2015),
  /// a bias of 0.
  Value* conv(Value* x, const ConvSpec& spec, const std::string& name);
  /// BatchNormalization; `zero` starts its scale at 0.
  Value* batch_norm(Value* x, const std::string& name, bool zero = false);
  Value* relu6(Value* x, const std::string& name);
  Value* relu(Value* x, const std::string& name);
  Value* sigmoid(Value* x, const std::string& name);
  Value* hard_sigmoid(Value* x, const std::string& name);  ///< max(0, min(1, x / 6 + 0.5))
  Value* hard_swish(Value* x, const std::string& name);    ///< x * hard_sigmoid(x)
  Value* swish(Value* x, const std::string& name);         ///< x * sigmoid(x)
  Value* add(Value* a, Value* b, const std::string& name);
  Value* mul(Value* a, Value* b, const std::string& name);
  Value* concat(const std::vector<Value*>& parts, const std::string& name);  ///< channels after one another
  /// Largest of kernel x kernel, padded by kernel / 2 when the kernel is odd.
  Value* max_pool(Value* x, int64_t kernel, int64_t stride, const std::string& name);
  Value* global_average(Value* x, const std::string& name);  ///< [N, C, 1, 1]
  /// Bilinear, `factor` times the height and width.
  Value* enlarge(Value* x, int64_t factor, const std::string& name);
  /// Global average, flatten, dropout (when above 0) and a linear layer: logits [N, classes].
  Value* classifier(Value* x, int64_t classes, double dropout, const std::string& name);
  Value* flat_average(Value* x, const std::string& name);  ///< global average [N, C]
  Value* dropout(Value* x, double ratio, const std::string& name);
  /// [N, C] to [N, out], weights normal with that deviation.
  Value* linear(Value* x, int64_t out, double deviation, const std::string& name);

 private:
  Value* weight(const std::string& name, const Dims& dims, double deviation);
  Graph& graph_;
  Rng rng_;
  Value *zero_ = nullptr, *six_ = nullptr;
};

/// `channels` times `width`, rounded to a multiple of 8 and never below 90% of it (as MobileNet does).
int64_t scaled_channels(int64_t channels, double width);

}  // namespace hone
