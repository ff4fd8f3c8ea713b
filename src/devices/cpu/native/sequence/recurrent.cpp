#include <memory>
#include <optional>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/recurrent/gru.hpp"
#include "graph/ops/recurrent/lstm.hpp"
#include "kernels/matmul.hpp"

/// LSTM and GRU with their usual activations: one product for the inputs of all steps, then one a step for the state.
namespace hone::cpu {

namespace {

struct Sizes {
  int64_t steps, batch, input, hidden, directions, gates;
  int64_t width() const { return gates * hidden; }
};

/// A packed matrix [depth, columns] whose columns were rows of the weights.
struct Packed {
  int64_t depth = 0, columns = 0;
  size_t at = 0;  ///< floats behind the begin of the packed weights
  size_t floats() const { return (kernels::matmul_kernels().packed_floats(depth, columns) + 15) / 16 * 16; }
  void product(const float* packed, const float* a, float* y, int64_t begin, int64_t end) const {
    kernels::matmul_kernels().run({end, depth, columns, depth, columns}, a, packed + at, 1, y, begin, end);
  }
};

void apply(kernels::Act kind, float* x, int64_t count) {
  kernels::ConvertJob job;
  job.x.data = x;
  job.act.kind = kind;
  kernels::elementwise_kernels().convert(job, x, 0, count);
}

class NativeRecurrent : public Kernel {
 public:
  NativeRecurrent(const Node& node, const Sizes& sizes, bool reverse, bool linear_before_reset,
                  const CpuContext& context)
      : sizes_(sizes),
        reverse_(reverse),
        gru_(sizes.gates == 3),
        linear_(linear_before_reset),
        w_(node.input(1)->constant()),
        r_(node.input(2)->constant()),
        outputs_(node.outputs().size()),
        initial_h_(node.input(5)),
        initial_c_(!gru_ && node.input(6)) {
    int64_t state = gru_ && !linear_ ? 2 * sizes.hidden : sizes.width();
    for (int64_t d = 0; d < sizes.directions; ++d) {
      inputs_.push_back(place({sizes.input, sizes.width()}));
      states_.push_back(place({sizes.hidden, state}));
      if (state < sizes.width()) candidates_.push_back(place({sizes.hidden, sizes.hidden}));
    }
    add_bias(node);
    packed_ = context.allocate_weights(floats_ * sizeof(float));
    products_ = round_up(sizes.directions * sizes.steps * sizes.batch * sizes.width());
    each_ = round_up(sizes.batch * sizes.width()) + 3 * round_up(sizes.batch * sizes.hidden);
  }
  std::string name() const override { return gru_ ? "hone gru" : "hone lstm"; }
  bool reads(size_t i) const override { return i == 0 || i >= 5; }
  size_t weight_bytes() const override { return floats_ * sizeof(float); }
  size_t scratch_bytes() const override {
    return sizeof(float) * static_cast<size_t>(products_ + sizes_.directions * each_);
  }

  void prepare(ThreadPool&) override {
    const auto& kernel = kernels::matmul_kernels();
    float* to = static_cast<float*>(packed_.get());
    for (int64_t d = 0; d < sizes_.directions; ++d) {
      auto i = static_cast<size_t>(d);
      const float* w = w_.data<float>().data() + d * sizes_.width() * sizes_.input;
      const float* r = r_.data<float>().data() + d * sizes_.width() * sizes_.hidden;
      kernel.pack({w, 1, sizes_.input}, sizes_.input, inputs_[i].columns, to + inputs_[i].at);
      kernel.pack({r, 1, sizes_.hidden}, sizes_.hidden, states_[i].columns, to + states_[i].at);
      if (candidates_.empty()) continue;
      const float* last = r + 2 * sizes_.hidden * sizes_.hidden;
      kernel.pack({last, 1, sizes_.hidden}, sizes_.hidden, sizes_.hidden, to + candidates_[i].at);
    }
    w_ = r_ = Tensor();
  }

  void run(const KernelRun& run) const override {
    const auto* weights = static_cast<const float*>(packed_.get());
    float* products = reinterpret_cast<float*>(run.scratch);
    int64_t rows = sizes_.steps * sizes_.batch, pieces = pieces_of(rows, 16, run.pool.threads());
    run.pool.parallel_for(sizes_.directions * pieces, [&](int64_t task, int) {
      int64_t d = task / pieces, piece = task % pieces;
      inputs_[static_cast<size_t>(d)].product(weights, run.in<float>(0), products + d * rows * sizes_.width(),
                                              rows * piece / pieces, rows * (piece + 1) / pieces);
    });
    run.pool.parallel_for(sizes_.directions, [&](int64_t d, int) {
      direction(run, weights, products + d * rows * sizes_.width(), products + products_ + d * each_, d);
    });
  }

 private:
  static int64_t round_up(int64_t floats) { return (floats + 15) / 16 * 16; }

  Packed place(Packed matrix) {
    matrix.at = floats_;
    floats_ += matrix.floats();
    return matrix;
  }

  /// The biases of w and r are one, but that of the candidate in a GRU that resets the product with it.
  void add_bias(const Node& node) {
    int64_t width = sizes_.width(), hidden = sizes_.hidden;
    bias_.assign(static_cast<size_t>(sizes_.directions * width), 0);
    state_bias_.assign(static_cast<size_t>(sizes_.directions * hidden), 0);
    if (!node.input(3)) return;
    const float* b = node.input(3)->constant().data<float>().data();
    for (int64_t d = 0; d < sizes_.directions; ++d, b += 2 * width)
      for (int64_t i = 0; i < width; ++i) {
        bool apart = gru_ && linear_ && i >= 2 * hidden;
        bias_[static_cast<size_t>(d * width + i)] = b[i] + (apart ? 0 : b[width + i]);
        if (apart) state_bias_[static_cast<size_t>(d * hidden + i - 2 * hidden)] = b[width + i];
      }
  }

  void direction(const KernelRun& run, const float* weights, float* products, float* scratch, int64_t d) const {
    int64_t state = sizes_.batch * sizes_.hidden, hidden = sizes_.hidden;
    float *product = scratch, *h = product + round_up(sizes_.batch * sizes_.width()), *c = h + round_up(state),
          *spare = c + round_up(state);
    start(initial_h_ ? run.in<float>(5) + d * state : nullptr, h, state);
    start(initial_c_ ? run.in<float>(6) + d * state : nullptr, c, state);
    bool backward = reverse_ || d == 1;
    for (int64_t i = 0; i < sizes_.steps; ++i) {
      int64_t t = backward ? sizes_.steps - 1 - i : i;
      float* gates = products + t * sizes_.batch * sizes_.width();
      states_[static_cast<size_t>(d)].product(weights, h, product, 0, sizes_.batch);
      if (gru_) gru_step(weights, gates, product, h, spare, d);
      else lstm_step(gates, product, h, c, spare, d);
      std::copy(h, h + state, run.out<float>() + (t * sizes_.directions + d) * state);
    }
    if (outputs_ > 1) std::copy(h, h + sizes_.batch * hidden, run.out<float>(1) + d * state);
    if (outputs_ > 2) std::copy(c, c + sizes_.batch * hidden, run.out<float>(2) + d * state);
  }
  static void start(const float* from, float* state, int64_t count) {
    if (from) std::copy(from, from + count, state);
    else std::fill(state, state + count, 0.0f);
  }

  /// Gates in the order i o f c.
  void lstm_step(float* gates, const float* product, float* h, float* c, float* spare, int64_t d) const {
    int64_t width = sizes_.width(), hidden = sizes_.hidden;
    const float* bias = bias_.data() + d * width;
    for (int64_t n = 0; n < sizes_.batch; ++n, gates += width, product += width, h += hidden, c += hidden) {
      for (int64_t i = 0; i < width; ++i) gates[i] += product[i] + bias[i];
      apply(kernels::Act::sigmoid, gates, 3 * hidden);
      apply(kernels::Act::tanh, gates + 3 * hidden, hidden);
      const float *output = gates + hidden, *forget = output + hidden, *cell = forget + hidden;
      for (int64_t i = 0; i < hidden; ++i) spare[i] = c[i] = forget[i] * c[i] + gates[i] * cell[i];
      apply(kernels::Act::tanh, spare, hidden);
      for (int64_t i = 0; i < hidden; ++i) h[i] = output[i] * spare[i];
    }
  }

  /// Gates in the order z r h.
  void gru_step(const float* weights, float* gates, const float* product, float* h, float* spare, int64_t d) const {
    int64_t width = sizes_.width(), hidden = sizes_.hidden, columns = linear_ ? width : 2 * hidden;
    const float *bias = bias_.data() + d * width, *state_bias = state_bias_.data() + d * hidden;
    for (int64_t n = 0; n < sizes_.batch; ++n) {
      float *z = gates + n * width, *r = z + hidden, *candidate = r + hidden, *state = h + n * hidden;
      const float* own = product + n * columns;
      for (int64_t i = 0; i < width; ++i) z[i] += bias[i];
      for (int64_t i = 0; i < 2 * hidden; ++i) z[i] += own[i];
      apply(kernels::Act::sigmoid, z, 2 * hidden);
      if (linear_) {
        for (int64_t i = 0; i < hidden; ++i) candidate[i] += r[i] * (own[2 * hidden + i] + state_bias[i]);
      } else {
        for (int64_t i = 0; i < hidden; ++i) r[i] *= state[i];
        candidates_[static_cast<size_t>(d)].product(weights, r, spare, 0, 1);
        for (int64_t i = 0; i < hidden; ++i) candidate[i] += spare[i];
      }
      apply(kernels::Act::tanh, candidate, hidden);
      for (int64_t i = 0; i < hidden; ++i) state[i] = (1 - z[i]) * candidate[i] + z[i] * state[i];
    }
  }

  Sizes sizes_;
  bool reverse_, gru_, linear_;
  Tensor w_, r_;
  size_t outputs_;
  bool initial_h_, initial_c_;
  std::vector<Packed> inputs_, states_, candidates_;  ///< a direction each
  std::vector<float> bias_, state_bias_;
  size_t floats_ = 0;
  int64_t products_, each_;
  std::shared_ptr<void> packed_;
};

bool usual_activations(const std::vector<std::string>& names, bool gru) {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] != (i % (gru ? 2 : 3) == 0 ? "Sigmoid" : "Tanh")) return false;
  return true;
}

}  // namespace

std::unique_ptr<Kernel> make_native_recurrent(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* lstm = node.as<ops::LSTM>();
  const auto* gru = node.as<ops::GRU>();
  if (!lstm && !gru) return nullptr;
  const ops::RecurrentFields& fields = lstm ? static_cast<const ops::RecurrentFields&>(*lstm) : *gru;
  if (node.input(0)->dtype() != DType::f32) return refusal = "not f32", nullptr;
  if (fields.layout != 0 || fields.clip || !usual_activations(fields.activations, gru != nullptr) ||
      !fields.activation_alpha.empty() || !fields.activation_beta.empty() || (lstm && lstm->input_forget))
    return refusal = "layout, clip, or other activations", nullptr;
  if (node.input(4) || node.input(7)) return refusal = "sequence lengths, or peepholes", nullptr;
  for (size_t i : {size_t{1}, size_t{2}, size_t{3}})
    if (node.input(i) && !node.input(i)->is_constant()) return refusal = "weights are not constant", nullptr;
  Dims x = dims_of(node.input(0)), r = dims_of(node.input(2));
  if (element_count(x) == 0) return refusal = "empty tensor", nullptr;
  Sizes sizes{x[0], x[1], x[2], r[2], fields.directions(), lstm ? 4 : 3};
  return std::make_unique<NativeRecurrent>(node, sizes, fields.direction == "reverse",
                                           gru && gru->linear_before_reset != 0, context);
}

}  // namespace hone::cpu
