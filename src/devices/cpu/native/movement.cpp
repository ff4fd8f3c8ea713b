#include <cstring>
#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/shape/concat.hpp"
#include "graph/ops/shape/split.hpp"
#include "graph/ops/shape/transpose.hpp"
#include "kernels/elementwise.hpp"

/// Concat, Split and Transpose.
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
  NativeConcat(const Node& node, const ops::Concat& op, const ops::Fused* fused) : element_(size_of(node.output()->dtype())) {
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
  }
  std::string name() const override { return convert_ ? "hone concat requantize" : "hone concat"; }
  void run(const KernelRun& run) const override {
    spread(run, rows_, std::max<int64_t>(1, 16384 / std::max<int64_t>(row_, 1)), [&](int64_t begin, int64_t end) {
      int64_t offset = 0;
      for (size_t i = 0; i < jobs_.size(); ++i) {
        kernels::CopyJob job = jobs_[i];
        char* y = run.out<char>() + static_cast<size_t>(offset) * element_;
        offset += job.channels;
        if (convert_) {
          job.x.data = run.in(i);
          kernels::elementwise_kernels().copy(job, y, begin, end);
          continue;
        }
        size_t bytes = static_cast<size_t>(job.channels) * element_;
        for (int64_t row = begin; row < end; ++row)
          std::memcpy(y + static_cast<size_t>(row * row_) * element_, run.in<char>(i) + static_cast<size_t>(row) * bytes, bytes);
      }
    });
  }

 private:
  std::vector<kernels::CopyJob> jobs_;
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
    spread(run, rows_, std::max<int64_t>(1, 65536 / static_cast<int64_t>(row_bytes_ + 1)), [&](int64_t begin, int64_t end) {
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

/// [batch, rows, columns] to [batch, columns, rows] in blocks that stay in the cache.
template <class T>
void transpose_blocks(const T* x, T* y, int64_t rows, int64_t columns, int64_t row_begin, int64_t row_end) {
  constexpr int64_t block = 16;
  for (int64_t r0 = row_begin; r0 < row_end; r0 += block)
    for (int64_t c0 = 0; c0 < columns; c0 += block) {
      int64_t r1 = std::min(r0 + block, row_end), c1 = std::min(c0 + block, columns);
      for (int64_t c = c0; c < c1; ++c)
        for (int64_t r = r0; r < r1; ++r) y[c * rows + r] = x[r * columns + c];
    }
}

class NativeTranspose : public Kernel {
 public:
  NativeTranspose(int64_t batch, int64_t rows, int64_t columns, size_t element)
      : batch_(batch), rows_(rows), columns_(columns), element_(element) {}
  std::string name() const override { return "hone transpose"; }
  void run(const KernelRun& run) const override {
    if (element_ == 4) move<uint32_t>(run);
    else if (element_ == 1) move<uint8_t>(run);
    else if (element_ == 2) move<uint16_t>(run);
    else move<uint64_t>(run);
  }

 private:
  template <class T>
  void move(const KernelRun& run) const {
    // The longer side is shared out; either side may be the rows of the source.
    bool by_rows = rows_ >= columns_;
    int64_t length = by_rows ? rows_ : columns_, other = by_rows ? columns_ : rows_;
    spread(run, batch_ * length, std::max<int64_t>(16, 8192 / std::max<int64_t>(other, 1)), [&](int64_t begin, int64_t end) {
      while (begin < end) {
        int64_t image = begin / length, from = begin % length, to = std::min(length, from + end - begin);
        const T* x = run.in<T>(0) + image * rows_ * columns_;
        T* y = run.out<T>() + image * rows_ * columns_;
        if (by_rows) {
          transpose_blocks(x, y, rows_, columns_, from, to);
        } else {
          for (int64_t c = from; c < to; ++c)
            for (int64_t r = 0; r < rows_; ++r) y[c * rows_ + r] = x[r * columns_ + c];
        }
        begin += to - from;
      }
    });
  }
  int64_t batch_, rows_, columns_;
  size_t element_;
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

/// Permutations that exchange two neighboring groups of axes behind a common batch: all that layouts need.
std::unique_ptr<Kernel> make_native_transpose(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* op = node.as<ops::Transpose>();
  if (!op) return nullptr;
  Dims dims = dims_of(node.input(0));
  std::vector<int64_t> perm = op->perm;
  int64_t rank = static_cast<int64_t>(dims.size());
  if (perm.empty())
    for (int64_t i = rank; i-- > 0;) perm.push_back(i);
  // perm = [0 .. k) + [m .. rank) + [k .. m)
  int64_t k = 0;
  while (k < rank && perm[static_cast<size_t>(k)] == k) ++k;
  if (k == rank) return refusal = "identity", nullptr;
  int64_t m = perm[static_cast<size_t>(k)];
  for (int64_t i = 0; i < rank - k; ++i)
    if (perm[static_cast<size_t>(k + i)] != (i < rank - m ? m + i : k + i - (rank - m))) return refusal = "a general permutation", nullptr;
  auto product = [&](int64_t from, int64_t to) {
    int64_t result = 1;
    for (int64_t i = from; i < to; ++i) result *= dims[static_cast<size_t>(i)];
    return result;
  };
  return std::make_unique<NativeTranspose>(product(0, k), product(k, m), product(m, rank), size_of(node.output()->dtype()));
}

}  // namespace hone::cpu
