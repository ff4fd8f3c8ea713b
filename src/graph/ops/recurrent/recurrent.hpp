#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "graph/op.hpp"
#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/multiply.hpp"
#include "graph/ops/recurrent/cell_activation.hpp"

/// What RNN, GRU and LSTM share: their attributes, their shapes and the walk over the steps of a sequence.
/// Inputs: x [steps, batch, input], w [directions, gates * hidden, input], r [directions, gates * hidden, hidden],
/// b [directions, 2 * gates * hidden], sequence_lens [batch], initial_h [directions, batch, hidden].
/// Outputs: y [steps, directions, batch, hidden], y_h [directions, batch, hidden]. With layout 1 the batch comes first.
namespace hone::ops {

struct RecurrentFields {
  std::vector<float> activation_alpha, activation_beta;
  std::vector<std::string> activations;  ///< empty: those of the op, for each direction
  std::optional<float> clip;             ///< bounds what goes into the activations to [-clip, clip]
  std::string direction = "forward";     ///< forward, reverse or bidirectional
  std::optional<int64_t> hidden_size;
  int64_t layout = 0;  ///< 1: batch first

  void visit(AttributeVisitor& visitor);
  int64_t directions() const { return direction == "bidirectional" ? 2 : 1; }
};

/// What tells one kind of cell from another.
struct RecurrentKind {
  int64_t gates;
  std::vector<std::string> activations;  ///< the defaults of one direction
  size_t state_outputs;                  ///< 1: y_h; 2: y_h and y_c
};

void infer_recurrent(InferContext& context, const RecurrentFields& fields, const RecurrentKind& kind);

struct RecurrentSizes {
  int64_t steps = 0, batch = 0, input = 0, hidden = 0, directions = 1, gates = 1;
  Dims states() const { return {directions, batch, hidden}; }
};
/// Checks attributes and the shapes of all inputs.
RecurrentSizes recurrent_sizes(const EvalContext& context, const RecurrentFields& fields, const RecurrentKind& kind);
/// The lengths of the sequences: those of input 4, or all steps.
std::vector<int64_t> sequence_lengths(const EvalContext& context, const RecurrentSizes& sizes);
/// The same tensor with its batch first (axes a b c -> b a c ...), or back.
Tensor swap_first_axes(const Tensor& x);
/// The activations of all directions, one after the other.
std::vector<CellActivation> recurrent_activations(const std::string& place, const RecurrentFields& fields,
                                                  const RecurrentKind& kind);

/// A recurrent op at work, in T.
template <class T>
class Recurrence {
 public:
  Recurrence(EvalContext& context, const RecurrentFields& fields, const RecurrentKind& kind)
      : sizes(recurrent_sizes(context, fields, kind)),
        activations(recurrent_activations(context.place(), fields, kind)),
        fields_(fields),
        lengths_(sequence_lengths(context, sizes)),
        x_(input_as<T>(context, 0)),
        w_(input_as<T>(context, 1)),
        r_(input_as<T>(context, 2)),
        h_(initial_state(context, 5)) {
    if (fields.layout) x_ = swap_first_axes(x_);
    if (context.has(3)) b_ = input_as<T>(context, 3);
    y_ = Tensor::zeros(dtype_of<T>(), {sizes.steps, sizes.directions, sizes.batch, sizes.hidden});
  }

  /// One step of one direction.
  struct Step {
    int64_t direction;
    T* gates;            ///< [batch, gates * hidden]: x w' + the bias of w
    const T* recurrent;  ///< r' [hidden, gates * hidden]
    const T* bias;       ///< of r, [gates * hidden]; zeros where there is none
    const T* h;          ///< [batch, hidden]: before the step
    T* next;             ///< [batch, hidden]: after it; rows whose sequence is over are not used
  };

  /// Calls cell(step) for all steps in their order; `keep(n, step)` is called for each sequence n that the step is part
  /// of, after the cell.
  template <class Cell, class Keep>
  void run(Cell cell, Keep keep) {
    for (int64_t d = 0; d < sizes.directions; ++d) run_direction(d, cell, keep);
  }

  /// A state [directions, batch, hidden] from input i, zeros where it is absent.
  Tensor initial_state(const EvalContext& context, size_t i) const {
    if (!context.has(i)) return Tensor::zeros(dtype_of<T>(), sizes.states());
    Tensor state = input_as<T>(context, i);
    return fields_.layout ? swap_first_axes(state) : state.clone();
  }

  /// Writes y and y_h.
  void finish(EvalContext& context) {
    DType dtype = context.in(0).dtype();
    if (fields_.layout) {  // steps, directions, batch, hidden -> batch, steps, directions, hidden
      Tensor flat = y_.reshaped({sizes.steps * sizes.directions, sizes.batch, sizes.hidden});
      y_ = swap_first_axes(flat).reshaped({sizes.batch, sizes.steps, sizes.directions, sizes.hidden});
    }
    context.set(0, y_.cast(dtype));
    write_state(context, 1, h_);
  }
  void write_state(EvalContext& context, size_t i, const Tensor& state) const {
    if (context.output_count() <= i) return;
    context.set(i, (fields_.layout ? swap_first_axes(state) : state).cast(context.in(0).dtype()));
  }

  /// What goes into an activation.
  T clipped(T value) const {
    if (!fields_.clip) return value;
    auto bound = static_cast<T>(*fields_.clip);
    return std::min(std::max(value, -bound), bound);
  }

  const RecurrentSizes sizes;
  const std::vector<CellActivation> activations;

 private:
  static std::vector<T> transposed(const T* matrix, int64_t rows, int64_t columns) {
    std::vector<T> result(static_cast<size_t>(rows * columns));
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) result[static_cast<size_t>(j * rows + i)] = matrix[i * columns + j];
    return result;
  }

  template <class Cell, class Keep>
  void run_direction(int64_t d, Cell& cell, Keep& keep) {
    int64_t width = sizes.gates * sizes.hidden, rows = sizes.steps * sizes.batch, state = sizes.batch * sizes.hidden;
    std::vector<T> gates(static_cast<size_t>(rows * width), T(0)), bias(static_cast<size_t>(width), T(0));
    if (b_.defined()) {
      const T* b = pointer<T>(b_) + d * 2 * width;
      for (int64_t i = 0; i < rows; ++i) std::copy(b, b + width, gates.begin() + i * width);
      std::copy(b + width, b + 2 * width, bias.begin());
    }
    std::vector<T> weight = transposed(pointer<T>(w_) + d * width * sizes.input, width, sizes.input);
    std::vector<T> recurrent = transposed(pointer<T>(r_) + d * width * sizes.hidden, width, sizes.hidden);
    multiply_add(pointer<T>(x_), weight.data(), gates.data(), rows, sizes.input, width, width);
    std::vector<T> next(static_cast<size_t>(state), T(0));
    T* h = h_.template mutable_data<T>().data() + d * state;
    bool backward = fields_.direction == "reverse" || d == 1;
    for (int64_t i = 0; i < sizes.steps; ++i) {
      int64_t t = backward ? sizes.steps - 1 - i : i;
      Step step{d, gates.data() + t * sizes.batch * width, recurrent.data(), bias.data(), h, next.data()};
      cell(step);
      for (int64_t n = 0; n < sizes.batch; ++n) {
        if (t >= lengths_[static_cast<size_t>(n)]) continue;
        const T* row = next.data() + n * sizes.hidden;
        keep(n, step);
        std::copy(row, row + sizes.hidden, h + n * sizes.hidden);
        T* y = y_.template mutable_data<T>().data() + ((t * sizes.directions + d) * sizes.batch + n) * sizes.hidden;
        std::copy(row, row + sizes.hidden, y);
      }
    }
  }

  const RecurrentFields& fields_;
  std::vector<int64_t> lengths_;
  Tensor x_, w_, r_, b_, h_, y_;
};

}  // namespace hone::ops
