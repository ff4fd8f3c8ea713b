#include "graph/ops/recurrent/gru.hpp"

namespace hone::ops {

namespace {

const RecurrentKind& kind() {
  static const RecurrentKind gru{3, {"Sigmoid", "Tanh"}, 1};
  return gru;
}

/// One step for the whole batch.
template <class T>
class GruCell {
 public:
  GruCell(const Recurrence<T>& recurrence, bool linear_before_reset)
      : recurrence_(recurrence),
        linear_before_reset_(linear_before_reset),
        hidden_(recurrence.sizes.hidden),
        product_(static_cast<size_t>(recurrence.sizes.batch * hidden_ * 3)),
        candidate_(static_cast<size_t>(recurrence.sizes.batch * hidden_)),
        reset_h_(candidate_.size()),
        update_(candidate_.size()) {}

  void operator()(const typename Recurrence<T>::Step& step) {
    int64_t batch = recurrence_.sizes.batch, count = batch * hidden_, width = 3 * hidden_;
    const CellActivation& f = recurrence_.activations[static_cast<size_t>(step.direction * 2)];
    const CellActivation& g = recurrence_.activations[static_cast<size_t>(step.direction * 2 + 1)];
    std::fill(product_.begin(), product_.end(), T(0));
    multiply_add(step.h, step.recurrent, product_.data(), batch, hidden_, width, width);
    for (int64_t i = 0; i < count; ++i) {
      int64_t k = i % hidden_, at = i / hidden_ * width + k;
      T z = step.gates[at] + product(at) + step.bias[k];
      T r = f(recurrence_.clipped(step.gates[at + hidden_] + product(at + hidden_) + step.bias[k + hidden_]));
      update_[static_cast<size_t>(i)] = f(recurrence_.clipped(z));
      T linear = product(at + 2 * hidden_) + step.bias[k + 2 * hidden_];
      candidate_[static_cast<size_t>(i)] = linear_before_reset_ ? r * linear : step.bias[k + 2 * hidden_];
      reset_h_[static_cast<size_t>(i)] = r * step.h[i];
    }
    if (!linear_before_reset_) add_reset_product(step);
    for (int64_t i = 0; i < count; ++i) {
      T c = step.gates[i / hidden_ * width + 2 * hidden_ + i % hidden_] + candidate_[static_cast<size_t>(i)];
      T z = update_[static_cast<size_t>(i)];
      step.next[i] = (1 - z) * g(recurrence_.clipped(c)) + z * step.h[i];
    }
  }

 private:
  T product(int64_t at) const { return product_[static_cast<size_t>(at)]; }

  /// candidate += (r h) rh'; rh' is the last third of the columns of r'.
  void add_reset_product(const typename Recurrence<T>::Step& step) {
    int64_t width = 3 * hidden_;
    if (direction_ != step.direction) {
      direction_ = step.direction;
      weight_.resize(static_cast<size_t>(hidden_ * hidden_));
      for (int64_t row = 0; row < hidden_; ++row)
        std::copy(step.recurrent + row * width + 2 * hidden_, step.recurrent + (row + 1) * width,
                  weight_.begin() + row * hidden_);
    }
    multiply_add(reset_h_.data(), weight_.data(), candidate_.data(), recurrence_.sizes.batch, hidden_, hidden_,
                 hidden_);
  }

  const Recurrence<T>& recurrence_;
  bool linear_before_reset_;
  int64_t hidden_, direction_ = -1;
  std::vector<T> product_, candidate_, reset_h_, update_, weight_;
};

}  // namespace

OpSpec GRU::spec() const {
  return {.min_inputs = 3,
          .max_inputs = 6,
          .min_outputs = 1,
          .max_outputs = 2,
          .summary = "h = (1 - z) g(x wh' + (r h) rh' + bh) + z h with gates z, r = f(x w' + h r' + b)"};
}

void GRU::attributes(AttributeVisitor& visitor) {
  visit(visitor);
  visitor.field("linear_before_reset", linear_before_reset);
}

void GRU::infer(InferContext& context) const { infer_recurrent(context, *this, kind()); }

void GRU::evaluate(EvalContext& context) const {
  with_float(context, context.in(0).dtype(), [&]<class T>(T) {
    Recurrence<T> recurrence(context, *this, kind());
    recurrence.run(GruCell<T>(recurrence, linear_before_reset != 0), [](int64_t, const auto&) {});
    recurrence.finish(context);
  });
}

HONE_DEFINE_OP(GRU)

}  // namespace hone::ops
