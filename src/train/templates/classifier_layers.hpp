#pragma once
#include <string>

#include "train/templates.hpp"
#include "train/templates/builder.hpp"

namespace hone {

enum class Squash { none, relu, relu6, hard_swish, swish };

/// What classifiers are made of, appended to a graph. Tensors are [N, C, H, W].
class ClassifierLayers {
 public:
  /// Adds the input. Throws Error naming the template for options out of range: classes < 2, a width outside [0.1, 4],
  /// an input below 16 pixels, dropout outside [0, 1).
  ClassifierLayers(Graph& graph, const char* name, const TemplateOptions& options);

  Value* input() const { return input_; }
  ModelBuilder& build() { return build_; }
  int64_t channels(int64_t whole) const { return scaled_channels(whole, options_.width); }
  /// The stride of the layer that halves the map for the number-th time (from 0) on large images. On small ones some do
  /// not, so that the last map of five halvings keeps at least 3 x 3: first number 1, then 0, 2 and 3.
  int64_t stride(int number) const;

  Value* activate(Value* x, Squash squash, const std::string& name);
  /// Convolution, batch normalization (scale 0 at the start with `zero`), activation.
  Value* block(Value* x, const ConvSpec& spec, Squash squash, const std::string& name, bool zero = false);
  /// Channels weighed by what the whole map says of them (Hu et al. 2018).
  Value* squeeze_excite(Value* x, int64_t squeezed, bool hard, const std::string& name);

  struct Residual {
    int64_t kernel = 3, hidden = 0, out = 0, stride = 1, squeezed = 0;  ///< squeezed 0: no squeeze and excitation
    Squash squash = Squash::relu;
    bool hard = false;  ///< gate of the excitation: HardSigmoid instead of Sigmoid
  };
  /// MobileNet's inverted residual: 1x1 to hidden (unless as many already), depthwise, excitation, 1x1 to out; and the
  /// input where sizes allow.
  Value* inverted_residual(Value* x, const Residual& spec, const std::string& name);

 private:
  const TemplateOptions& options_;
  ModelBuilder build_;
  Value* input_ = nullptr;
};

}  // namespace hone
