#include "kernels/resize.hpp"

#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/resize.hpp"
#include "graph/ops/nn/resize_axis.hpp"

namespace hone::cpu {

namespace {

/// The table of one axis as the kernels read it.
struct Taps {
  std::vector<int32_t> index;
  std::vector<float> weight;
  int taps = 1;

  /// `by_tap`: [taps][output] instead of [output][taps].
  Taps(const ops::ResizeTable& table, bool by_tap) : taps(static_cast<int>(table.taps)) {
    size_t count = table.index.size(), each = static_cast<size_t>(table.taps), outputs = count / each;
    index.resize(count), weight.resize(count);
    for (size_t i = 0; i < outputs; ++i) {
      // A tap without weight reads what another tap reads, so that it cannot pick up an infinity.
      size_t used = 0;
      while (used + 1 < each && table.weight[i * each + used] == 0) ++used;
      for (size_t tap = 0; tap < each; ++tap) {
        size_t from = i * each + tap, to = by_tap ? tap * outputs + i : from;
        weight[to] = static_cast<float>(table.weight[from]);
        index[to] = static_cast<int32_t>(table.index[table.weight[from] == 0 ? i * each + used : from]);
      }
    }
  }
  kernels::ResizeTaps view() const { return {taps, index.data(), weight.data()}; }
};

class NativeResize : public Kernel {
 public:
  NativeResize(const kernels::ResizeJob& job, int64_t outer, Taps rows, Taps columns, bool nearest, size_t element,
               int threads)
      : job_(job),
        outer_(outer),
        rows_(std::move(rows)),
        columns_(std::move(columns)),
        nearest_(nearest),
        element_(static_cast<int>(element)),
        threads_(threads) {}
  std::string name() const override { return nearest_ ? "hone resize nearest" : "hone resize"; }
  bool reads(size_t i) const override { return i == 0; }
  size_t scratch_bytes() const override { return nearest_ ? 0 : row_bytes() * static_cast<size_t>(threads_); }

  void run(const KernelRun& run) const override {
    kernels::ResizeJob job = job_;
    job.rows = rows_.view(), job.columns = columns_.view();
    job.x.data = run.in(0);
    int64_t units = outer_ * job.out_height, row = std::max<int64_t>(1, job.out_width * job.channels);
    int64_t pieces = pieces_of(units, std::max<int64_t>(1, 8192 / row), run.pool.threads());
    run.pool.parallel_for(pieces, [&](int64_t piece, int thread) {
      int64_t begin = units * piece / pieces, end = units * (piece + 1) / pieces;
      if (nearest_) return kernels::resize_kernels().nearest(job, element_, run.out(), begin, end);
      auto* scratch = reinterpret_cast<float*>(run.scratch + static_cast<size_t>(thread) * row_bytes());
      kernels::resize_kernels().smooth(job, run.out(), scratch, begin, end);
    });
  }

 private:
  size_t row_bytes() const {
    kernels::ResizeJob job = job_;
    job.rows = rows_.view();
    return (static_cast<size_t>(kernels::smooth_scratch(job)) * sizeof(float) + 63) / 64 * 64;
  }
  kernels::ResizeJob job_;
  int64_t outer_;
  Taps rows_, columns_;
  bool nearest_;
  int element_, threads_;
};

bool constant_inputs(const Node& node, ops::ResizeInputs& inputs) {
  for (size_t i = 1; i < 4; ++i)
    if (const Value* input = node.input(i)) {
      if (!input->is_constant()) return false;
      const Tensor& value = input->constant();
      if (i == 1)
        for (float x : value.to_floats()) inputs.roi.push_back(static_cast<double>(x));
      if (i == 2) inputs.scales = value.to_floats();
      if (i == 3) inputs.sizes = value.to_ints();
    }
  return true;
}

/// The axes as they lie in memory become [outer, height, width, channels]; false when more than two axes are resized or
/// they are not neighbors.
bool fold_axes(const std::vector<ops::ResizeAxis>& axes, kernels::ResizeJob& job, int64_t& outer, ops::ResizeAxis& rows,
               ops::ResizeAxis& columns) {
  size_t first = axes.size(), last = 0;
  for (size_t i = 0; i < axes.size(); ++i)
    if (!axes[i].identity) first = std::min(first, i), last = i;
  if (first == axes.size()) first = last = axes.size() - 1;
  if (last - first > 1) return false;
  outer = 1, job.channels = 1;
  for (size_t i = 0; i < first; ++i) outer *= axes[i].input;
  for (size_t i = last + 1; i < axes.size(); ++i) job.channels *= axes[i].input;
  columns = axes[last];
  if (first < last) rows = axes[first];
  else rows.input = rows.output = 1;
  job.height = rows.input, job.width = columns.input;
  job.out_height = rows.output, job.out_width = columns.output;
  return true;
}

bool any_outside(const ops::ResizeTable& table) {
  return std::find(table.outside.begin(), table.outside.end(), 1) != table.outside.end();
}

}  // namespace

std::unique_ptr<Kernel> make_native_resize(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* op = dynamic_cast<const ops::Resize*>(fused ? fused->inner.get() : &node.op());
  if (!op) return nullptr;
  Dims x = dims_of(node.input(0)), y = dims_of(node.output());
  if (x.empty() || element_count(x) == 0 || element_count(y) == 0) return refusal = "empty tensor", nullptr;
  if (fused && (!fused->act.empty() || fused->has_residual)) return refusal = "epilogue", nullptr;
  ops::ResizeInputs inputs;
  if (!constant_inputs(node, inputs)) return refusal = "sizes are not constant", nullptr;
  bool last = fused && fused->channels_last && x.size() == 4;
  Dims first_order = last ? Dims{x[0], x[3], x[1], x[2]} : x;
  std::vector<ops::ResizeAxis> axes = ops::resize_axes(node.place(), *op, first_order, inputs);
  if (last) axes = {axes[0], axes[2], axes[3], axes[1]};
  kernels::ResizeJob job;
  int64_t outer = 1;
  ops::ResizeAxis rows, columns;
  if (!fold_axes(axes, job, outer, rows, columns)) return refusal = "more than two axes, or not neighbors", nullptr;
  ops::ResizeTable row_table = ops::resize_table(*op, rows), column_table = ops::resize_table(*op, columns);
  if (any_outside(row_table) || any_outside(column_table)) return refusal = "reads outside of the input", nullptr;
  bool nearest = op->mode == "nearest";
  DType in = node.input(0)->dtype(), out = node.output()->dtype();
  ops::QuantParams from = fused ? fused->input_quant(0) : ops::QuantParams{},
                   to = fused ? fused->out : ops::QuantParams{};
  if (nearest ? in != out || !(from == to) || size_of(in) == 0 || in == DType::string
              : !byte_or_float(in) || !byte_or_float(out) || (in != DType::f32) != from.quantized() ||
                    (out != DType::f32) != to.quantized())
    return refusal = "element type", nullptr;
  job.x = operand(in, from);
  job.target = target(out, to);
  return std::make_unique<NativeResize>(job, outer, Taps(row_table, false), Taps(column_table, true), nearest,
                                        size_of(in), context.threads);
}

}  // namespace hone::cpu
