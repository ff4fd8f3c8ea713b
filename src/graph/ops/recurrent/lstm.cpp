#include "graph/ops/recurrent/lstm.hpp"

namespace hone::ops {

namespace {

const RecurrentKind& kind() {
  static const RecurrentKind lstm{4, {"Sigmoid", "Tanh", "Tanh"}, 2};
  return lstm;
}

/// One step for the whole batch; the cell states change in keep(), for the sequences that are not over.
template <class T>
class LstmCell {
 public:
  LstmCell(const EvalContext& context, const Recurrence<T>& recurrence, bool input_forget)
      : cell_state(recurrence.initial_state(context, 6)),
        recurrence_(recurrence),
        input_forget_(input_forget),
        hidden_(recurrence.sizes.hidden),
        next_(static_cast<size_t>(recurrence.sizes.batch * hidden_)) {
    if (context.has(7)) peepholes_ = input_as<T>(context, 7);
  }

  void step(const typename Recurrence<T>::Step& step) {
    int64_t batch = recurrence_.sizes.batch, width = 4 * hidden_;
    multiply_add(step.h, step.recurrent, step.gates, batch, hidden_, width, width);
    const T* states = pointer<T>(cell_state) + step.direction * batch * hidden_;
    const T* peepholes = peepholes_.defined() ? pointer<T>(peepholes_) + step.direction * 3 * hidden_ : nullptr;
    const CellActivation* activations = recurrence_.activations.data() + step.direction * 3;
    for (int64_t i = 0; i < batch * hidden_; ++i) {
      int64_t k = i % hidden_;
      const T* gates = step.gates + i / hidden_ * width + k;
      auto into = [&](int gate, int peephole, T c) {
        T value = gates[gate * hidden_] + step.bias[gate * hidden_ + k];
        if (peepholes && peephole >= 0) value += peepholes[peephole * hidden_ + k] * c;
        return recurrence_.clipped(value);
      };
      T input = activations[0](into(0, 0, states[i]));
      T forget = input_forget_ ? 1 - input : activations[0](into(2, 2, states[i]));
      T state = forget * states[i] + input * activations[1](into(3, -1, T(0)));
      T output = activations[0](into(1, 1, state));
      next_[static_cast<size_t>(i)] = state;
      // Not clipped: the specification says "the input of activations", ONNX Runtime means that of the gates.
      step.next[i] = output * activations[2](state);
    }
  }

  void keep(int64_t n, const typename Recurrence<T>::Step& step) {
    T* state = cell_state.template mutable_data<T>().data() + (step.direction * recurrence_.sizes.batch + n) * hidden_;
    std::copy(next_.begin() + n * hidden_, next_.begin() + (n + 1) * hidden_, state);
  }

  Tensor cell_state;  ///< [directions, batch, hidden]

 private:
  const Recurrence<T>& recurrence_;
  bool input_forget_;
  int64_t hidden_;
  std::vector<T> next_;
  Tensor peepholes_;
};

}  // namespace

OpSpec LSTM::spec() const {
  return {.min_inputs = 3,
          .max_inputs = 8,
          .min_outputs = 1,
          .max_outputs = 3,
          .summary = "c = f c + i g(x wc' + h rc' + bc), h = o h(c) with gates i, o, f = f(x w' + h r' + p c + b)"};
}

void LSTM::attributes(AttributeVisitor& visitor) {
  visit(visitor);
  visitor.field("input_forget", input_forget);
}

void LSTM::infer(InferContext& context) const { infer_recurrent(context, *this, kind()); }

void LSTM::evaluate(EvalContext& context) const {
  with_float(context, context.in(0).dtype(), [&]<class T>(T) {
    Recurrence<T> recurrence(context, *this, kind());
    LstmCell<T> cell(context, recurrence, input_forget != 0);
    recurrence.run([&](const auto& step) { cell.step(step); },
                   [&](int64_t n, const auto& step) { cell.keep(n, step); });
    recurrence.finish(context);
    recurrence.write_state(context, 2, cell.cell_state);
  });
}

HONE_DEFINE_OP(LSTM)

}  // namespace hone::ops
