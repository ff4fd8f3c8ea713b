#include <algorithm>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/shape/concat.hpp"
#include "graph/ops/shape/split.hpp"
#include "kernels/elementwise.hpp"

/// Concat and Split.
namespace hone::cpu {

namespace {

/// A tensor as [outer, axis, inner].
struct Axis {
  int64_t outer = 1, length = 1, inner = 1;
};
Axis around(const Dims& dims, int64_t axis) {
  Axis result;
  if (axis < 0) axis += static_cast<int64_t>(dims.size());
  for (int64_t i = 0; i < static_cast<int64_t>(dims.size()); ++i)
    (i < axis ? result.outer : i == axis ? result.length : result.inner) *= dims[static_cast<size_t>(i)];
  return result;
}

class NativeConcat : public Kernel {
 public:
  NativeConcat(const Node& node, const ops::Concat& op, const ops::Fused* fused)
      : element_(size_of(node.output()->dtype())) {
    Axis out = around(dims_of(node.output()), op.axis);
    rows_ = out.outer;
    row_ = out.length * out.inner;
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      Axis in = around(dims_of(node.input(i)), op.axis);
      kernels::CopyJob job;
      job.channels = job.x_stride = in.length * in.inner;
      job.y_stride = row_;
      if (fused) {
        job.x = operand(node.input(i)->dtype(), fused->input_quant(i));
        job.target = target(node.output()->dtype(), fused->out);
        convert_ |= !(fused->input_quant(i) == fused->out) || node.input(i)->dtype() != node.output()->dtype();
      }
      jobs_.push_back(job);
    }
    left_.assign(jobs_.size(), false);
  }
  std::string name() const override {
    const auto left = std::count(left_.begin(), left_.end(), true);
    if (left > 0) return fmt::format("hone concat, {} of {} in place", left, left_.size());
    return convert_ ? "hone concat requantize" : "hone concat";
  }
  std::optional<Placement> placement(size_t i) const override {
    if (convert_) return std::nullopt;
    size_t offset = 0;
    for (size_t before = 0; before < i; ++before) offset += bytes(jobs_[before].channels);
    return Placement{offset, bytes(jobs_[i].channels), bytes(row_), static_cast<size_t>(rows_)};
  }
  void leave(size_t i) override { left_[i] = true; }
  bool spaces_output(size_t length) const override { return !convert_ && length == bytes(row_); }
  bool spaces_input(size_t i, size_t length) const override {
    return !convert_ && length == bytes(jobs_[i].channels);
  }
  void space_output(size_t row) override {
    for (kernels::CopyJob& job : jobs_) job.y_stride = static_cast<int64_t>(row / element_);
  }
  void space_input(size_t i, size_t row) override { jobs_[i].x_stride = static_cast<int64_t>(row / element_); }

  void run(const KernelRun& run) const override {
    if (std::find(left_.begin(), left_.end(), false) == left_.end()) return;
    spread(run, rows_, std::max<int64_t>(1, 16384 / std::max<int64_t>(row_, 1)), [&](int64_t begin, int64_t end) {
      int64_t offset = 0;
      for (size_t i = 0; i < jobs_.size(); ++i) {
        kernels::CopyJob job = jobs_[i];
        char* y = run.out<char>() + static_cast<size_t>(offset) * element_;
        offset += job.channels;
        if (left_[i]) continue;
        if (convert_) {
          job.x.data = run.in(i);
          kernels::elementwise_kernels().copy(job, y, begin, end);
          continue;
        }
        for (int64_t row = begin; row < end; ++row)
          std::memcpy(y + bytes(row * job.y_stride), run.in<char>(i) + bytes(row * job.x_stride), bytes(job.channels));
      }
    });
  }

 private:
  size_t bytes(int64_t elements) const { return static_cast<size_t>(elements) * element_; }

  std::vector<kernels::CopyJob> jobs_;
  std::vector<bool> left_;  // inputs that lie in their place already
  int64_t rows_ = 1, row_ = 1;
  size_t element_;
  bool convert_ = false;
};

class NativeSplit : public Kernel {
 public:
  NativeSplit(const Node& node, const ops::Split& op) {
    Axis in = around(dims_of(node.input(0)), op.axis);
    size_t element = size_of(node.input(0)->dtype());
    rows_ = in.outer;
    row_bytes_ = static_cast<size_t>(in.length * in.inner) * element;
    for (const Value* output : node.outputs()) {
      Axis out = around(dims_of(output), op.axis);
      bytes_.push_back(static_cast<size_t>(out.length * out.inner) * element);
    }
  }
  std::string name() const override { return "hone split"; }
  bool reads(size_t i) const override { return i == 0; }
  void run(const KernelRun& run) const override {
    spread(run, rows_, std::max<int64_t>(1, 65536 / static_cast<int64_t>(row_bytes_ + 1)),
           [&](int64_t begin, int64_t end) {
             for (int64_t row = begin; row < end; ++row) {
               const char* x = run.in<char>(0) + static_cast<size_t>(row) * row_bytes_;
               for (size_t i = 0; i < bytes_.size(); x += bytes_[i++])
                 std::memcpy(run.out<char>(i) + static_cast<size_t>(row) * bytes_[i], x, bytes_[i]);
             }
           });
  }

 private:
  int64_t rows_;
  size_t row_bytes_;
  std::vector<size_t> bytes_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_concat(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* concat = dynamic_cast<const ops::Concat*>(fused ? fused->inner.get() : &node.op());
  if (!concat) return nullptr;
  if (size_of(node.output()->dtype()) == 0) return refusal = "element type", nullptr;
  if (fused && (!fused->act.empty() || fused->has_residual)) return refusal = "epilogue", nullptr;
  return std::make_unique<NativeConcat>(node, *concat, fused);
}

std::unique_ptr<Kernel> make_native_split(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* split = node.as<ops::Split>();
  if (!split) return nullptr;
  if (size_of(node.input(0)->dtype()) == 0) return refusal = "element type", nullptr;
  return std::make_unique<NativeSplit>(node, *split);
}

}  // namespace hone::cpu
