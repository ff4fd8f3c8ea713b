#include "train/templates/classifier_layers.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.hpp"

namespace hone {

namespace {

void check(const char* name, const TemplateOptions& options) {
  auto fail = [&](const std::string& problem) { throw Error(name, problem); };
  if (options.classes < 2) fail(fmt::format("{} classes, expected at least 2", options.classes));
  if (!(options.width >= 0.1 && options.width <= 4))
    fail(fmt::format("width multiplier {}, expected 0.1 to 4", options.width));
  if (std::min(options.height, options.width_px) < 16)
    fail(fmt::format("input {} x {} pixels, expected at least 16 x 16", options.height, options.width_px));
  if (!(options.dropout >= 0 && options.dropout < 1))
    fail(fmt::format("dropout {}, expected 0 <= dropout < 1", options.dropout));
}

}  // namespace

ClassifierLayers::ClassifierLayers(Graph& graph, const char* name, const TemplateOptions& options)
    : options_(options), build_(graph, options.seed) {
  check(name, options);
  graph.name = name;
  input_ = graph.add_input("input", DType::f32, Shape{Dim::named("N"), 3, options.height, options.width_px});
}

int64_t ClassifierLayers::stride(int number) const {
  constexpr std::array leave_out = {1, 0, 2, 3};
  int side = std::min(options_.height, options_.width_px), halvings = 0;
  while (halvings < 5 && side >= 6 << halvings) ++halvings;
  auto end = leave_out.begin() + std::min<int>(5 - halvings, static_cast<int>(leave_out.size()));
  return std::find(leave_out.begin(), end, number) == end ? 2 : 1;
}

Value* ClassifierLayers::activate(Value* x, Squash squash, const std::string& name) {
  switch (squash) {
    case Squash::none: return x;
    case Squash::relu: return build_.relu(x, name + ".relu");
    case Squash::relu6: return build_.relu6(x, name + ".relu6");
    case Squash::hard_swish: return build_.hard_swish(x, name + ".hard_swish");
    case Squash::swish: return build_.swish(x, name + ".swish");
  }
  return x;
}

Value* ClassifierLayers::block(Value* x, const ConvSpec& spec, Squash squash, const std::string& name, bool zero) {
  return activate(build_.batch_norm(build_.conv(x, spec, name), name + ".bn", zero), squash, name);
}

Value* ClassifierLayers::squeeze_excite(Value* x, int64_t squeezed, bool hard, const std::string& name) {
  Value* gate = build_.global_average(x, name + ".pool");
  gate = build_.conv(gate, {.out = squeezed, .bias = true}, name + ".squeeze");
  gate = activate(gate, hard ? Squash::relu : Squash::swish, name);
  gate = build_.conv(gate, {.out = x->shape()[1].value, .bias = true}, name + ".excite");
  gate = hard ? build_.hard_sigmoid(gate, name + ".gate") : build_.sigmoid(gate, name + ".gate");
  return build_.mul(x, gate, name + ".scale");
}

Value* ClassifierLayers::inverted_residual(Value* x, const Residual& spec, const std::string& name) {
  int64_t in = x->shape()[1].value;
  bool residual = spec.stride == 1 && in == spec.out;
  Value* y = x;
  if (spec.hidden != in) y = block(y, {.out = spec.hidden}, spec.squash, name + ".expand");
  y = block(y, {.out = spec.hidden, .kernel = spec.kernel, .stride = spec.stride, .group = spec.hidden}, spec.squash,
            name + ".depthwise");
  if (spec.squeezed > 0) y = squeeze_excite(y, spec.squeezed, spec.hard, name + ".se");
  y = block(y, {.out = spec.out}, Squash::none, name + ".project", residual && options_.zero_gamma);
  return residual ? build_.add(x, y, name + ".add") : y;
}

}  // namespace hone
