#include "kernels/choose.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/axis.hpp"
#include "graph/ops/broadcast.hpp"
#include "graph/ops/reduce/arg_extreme.hpp"

/// Comparisons, Where, ArgMax, ArgMin and TopK.
namespace hone::cpu {

namespace {

constexpr size_t kMaxRows = 1 << 16;  ///< stretches of a broadcast that are kept
constexpr int64_t kRowPiece = 16384;  ///< elements of one task

/// Comparisons and Where with any broadcast, as a list of stretches.
class NativeChoose : public Kernel {
 public:
  NativeChoose(std::optional<kernels::Compare> op, DType type, std::vector<ops::BroadcastRow> rows)
      : op_(op), type_(type), rows_(std::move(rows)) {}
  std::string name() const override { return op_ ? "hone compare" : "hone where"; }
  void run(const KernelRun& run) const override {
    auto units = static_cast<int64_t>(rows_.size());
    spread(run, units, std::max<int64_t>(1, kRowPiece / rows_.front().count), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) one(run, rows_[static_cast<size_t>(i)]);
    });
  }

 private:
  void one(const KernelRun& run, const ops::BroadcastRow& from) const {
    size_t element = size_of(type_);
    kernels::ChooseRow row;
    row.count = from.count;
    for (size_t i = 0; i < (op_ ? 2u : 3u); ++i) {
      size_t bytes = !op_ && i == 0 ? 1 : element;
      row.in[i] = run.in<char>(i) + static_cast<size_t>(from.begin[i]) * bytes;
      row.step[i] = from.step[i];
    }
    if (op_) return kernels::choose_kernels().compare(*op_, type_, row, run.out<uint8_t>() + from.out);
    kernels::choose_kernels().where(static_cast<int>(element), row,
                                    run.out<char>() + static_cast<size_t>(from.out) * element);
  }

  std::optional<kernels::Compare> op_;
  DType type_;
  std::vector<ops::BroadcastRow> rows_;
};

/// The stretches of a broadcast, cut so that threads can share them; empty: none, or too many.
std::vector<ops::BroadcastRow> rows_of(const Node& node, bool three) {
  Dims y = dims_of(node.output()), a = dims_of(node.input(0)), b = dims_of(node.input(1));
  Dims c = three ? dims_of(node.input(2)) : b;
  std::vector<ops::BroadcastRow> rows;
  bool fits = true;
  ops::for_each_broadcast_row(y, {&a, &b, &c}, [&](const ops::BroadcastRow& row) {
    for (int64_t at = 0; at < row.count && fits; at += kRowPiece) {
      ops::BroadcastRow piece = row;
      piece.out += at;
      piece.count = std::min(kRowPiece, row.count - at);
      for (size_t i = 0; i < 3; ++i) {
        piece.begin[i] += at * row.step[i];
        fits &= row.step[i] == 0 || row.step[i] == 1;
      }
      rows.push_back(piece);
      fits &= rows.size() <= kMaxRows;
    }
  });
  if (!fits) rows.clear();
  return rows;
}

std::optional<kernels::Compare> comparison(const Node& node) {
  using kernels::Compare;
  static const struct {
    const char* name;
    Compare op;
  } list[] = {{"Equal", Compare::equal}, {"Less", Compare::less}, {"LessOrEqual", Compare::less_equal},
              {"Greater", Compare::greater}, {"GreaterOrEqual", Compare::greater_equal}};
  for (const auto& entry : list)
    if (node.is(entry.name)) return entry.op;
  return std::nullopt;
}

class NativeExtreme : public Kernel {
 public:
  NativeExtreme(bool largest, bool last, const ops::AxisView& view) : largest_(largest), last_(last), view_(view) {}
  std::string name() const override { return largest_ ? "hone arg max" : "hone arg min"; }
  void run(const KernelRun& run) const override {
    int64_t each = view_.size * std::min(view_.inner, kernels::kExtremeUnit);
    spread(run, view_.outer * kernels::extreme_units(view_.inner), std::max<int64_t>(1, 8192 / each),
           [&](int64_t begin, int64_t end) {
             kernels::choose_kernels().extreme(largest_, last_, run.in<float>(0), view_.size, view_.inner,
                                               run.out<int64_t>(), begin, end);
           });
  }

 private:
  bool largest_, last_;
  ops::AxisView view_;
};

/// TopK of f32: each line is copied, and its positions sorted as far as needed.
class NativeTopK : public Kernel {
 public:
  NativeTopK(const ops::AxisView& view, int64_t count, bool largest, int threads)
      : view_(view), count_(count), largest_(largest) {
    tasks_ = pieces_of(view.outer * view.inner, std::max<int64_t>(1, 2048 / view.size), threads);
  }
  std::string name() const override { return "hone top k"; }
  bool reads(size_t i) const override { return i == 0; }
  size_t scratch_bytes() const override { return static_cast<size_t>(tasks_) * line_bytes(); }
  void run(const KernelRun& run) const override {
    int64_t lines = view_.outer * view_.inner;
    run.pool.parallel_for(tasks_, [&](int64_t task, int) {
      float* line = reinterpret_cast<float*>(run.scratch + static_cast<size_t>(task) * line_bytes());
      for (int64_t i = lines * task / tasks_; i < lines * (task + 1) / tasks_; ++i) one(run, i, line);
    });
  }

 private:
  size_t line_bytes() const { return static_cast<size_t>(view_.size) * (sizeof(float) + sizeof(int32_t)); }
  void one(const KernelRun& run, int64_t number, float* line) const {
    int64_t outer = number / view_.inner, inner = number % view_.inner;
    const float* x = run.in<float>(0) + outer * view_.size * view_.inner + inner;
    for (int64_t k = 0; k < view_.size; ++k) line[k] = x[k * view_.inner];
    auto* order = reinterpret_cast<int32_t*>(line + view_.size);
    std::iota(order, order + view_.size, 0);
    if (largest_)
      std::partial_sort(order, order + count_, order + view_.size,
                        [line](int32_t a, int32_t b) { return before<true>(line, a, b); });
    else
      std::partial_sort(order, order + count_, order + view_.size,
                        [line](int32_t a, int32_t b) { return before<false>(line, a, b); });
    for (int64_t k = 0; k < count_; ++k) {
      int64_t to = (outer * count_ + k) * view_.inner + inner;
      run.out<float>(0)[to] = line[order[k]];
      run.out<int64_t>(1)[to] = order[k];
    }
  }
  /// A strict order even with NaN, which counts as the largest; equal ones keep their order.
  template <bool kLargest>
  static bool before(const float* line, int32_t a, int32_t b) {
    float p = line[a], q = line[b];
    if (kLargest ? p > q : p < q) return true;
    if (kLargest ? p < q : p > q) return false;
    bool p_nan = std::isnan(p), q_nan = std::isnan(q);
    return p_nan == q_nan ? a < b : p_nan == kLargest;
  }

  ops::AxisView view_;
  int64_t count_, tasks_ = 1;
  bool largest_;
};

/// nullopt when the input is not f32, empty, or longer than positions of 32 bits can say.
std::optional<ops::AxisView> view_of(const Node& node, int64_t axis) {
  Dims x = dims_of(node.input(0));
  if (node.input(0)->dtype() != DType::f32 || element_count(x) == 0) return std::nullopt;
  ops::AxisView view(x, static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(x.size()) : axis));
  if (view.size >= INT32_MAX) return std::nullopt;
  return view;
}

}  // namespace

std::unique_ptr<Kernel> make_native_choose(const Node& node, const CpuContext&, std::string& refusal) {
  auto op = comparison(node);
  bool where = node.is("Where");
  if (!op && !where) return nullptr;
  DType type = node.input(1)->dtype();
  if (op ? !kernels::comparable(type) : type == DType::string || size_of(type) == 0 || size_of(type) > 8)
    return refusal = "element type", nullptr;
  auto rows = rows_of(node, where);
  if (rows.empty()) return refusal = "empty, or a broadcast of too many stretches", nullptr;
  return std::make_unique<NativeChoose>(op, type, std::move(rows));
}

std::unique_ptr<Kernel> make_native_extreme(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* op = dynamic_cast<const ops::ArgExtreme*>(&node.op());
  if (!op) return nullptr;
  auto view = view_of(node, op->axis);
  if (!view) return refusal = "not f32, or empty", nullptr;
  return std::make_unique<NativeExtreme>(node.is("ArgMax"), op->select_last_index, *view);
}

std::unique_ptr<Kernel> make_native_top_k(const Node& node, const CpuContext& context, std::string& refusal) {
  if (!node.is("TopK")) return nullptr;
  Attributes attributes = get_attributes(node.op());
  auto number = [&](const char* name, int64_t otherwise) {
    auto it = attributes.find(name);
    return it == attributes.end() ? otherwise : std::get<int64_t>(it->second);
  };
  auto view = view_of(node, number("axis", -1));
  if (!view) return refusal = "not f32, or empty", nullptr;
  if (element_count(dims_of(node.output())) == 0) return refusal = "k is 0", nullptr;
  int64_t count = element_count(dims_of(node.output())) / (view->outer * view->inner);
  return std::make_unique<NativeTopK>(*view, count, number("largest", 1) != 0, context.threads);
}

}  // namespace hone::cpu
