#include "kernels/matmul.hpp"

#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/mat_mul.hpp"

namespace hone::cpu {

namespace {

/// Batched product of two f32 tensors that are made while running.
class NativeMatMul : public Kernel {
 public:
  NativeMatMul(kernels::MatMulShape shape, std::vector<std::pair<int64_t, int64_t>> batch, int threads)
      : shape_(shape), batch_(std::move(batch)), threads_(threads) {
    floats_ = (kernels::matmul_kernels().packed_floats(shape.depth, shape.columns) + 15) / 16 * 16;
  }
  std::string name() const override { return "hone matmul"; }
  size_t scratch_bytes() const override { return floats_ * sizeof(float) * static_cast<size_t>(threads_); }

  void run(const KernelRun& run) const override {
    int64_t matrices = static_cast<int64_t>(batch_.size()), threads = run.pool.threads();
    // Few matrices are cut into rows; each piece packs its own copy of b, so pieces are not small.
    int64_t cuts = matrices >= threads ? 1 : std::clamp<int64_t>(shape_.rows / 48, 1, 2 * threads);
    run.pool.parallel_for(matrices * cuts, [&](int64_t task, int thread) {
      int64_t matrix = task / cuts, cut = task % cuts;
      auto* packed = reinterpret_cast<float*>(run.scratch) + static_cast<size_t>(thread) * floats_;
      auto [a, b] = batch_[static_cast<size_t>(matrix)];
      const auto& kernel = kernels::matmul_kernels();
      kernel.pack({run.in<float>(1) + b * shape_.depth * shape_.columns, shape_.columns, 1}, shape_.depth,
                  shape_.columns, packed);
      kernel.run(shape_, run.in<float>(0) + a * shape_.rows * shape_.depth, packed, 1,
                 run.out<float>() + matrix * shape_.rows * shape_.columns, shape_.rows * cut / cuts,
                 shape_.rows * (cut + 1) / cuts);
    });
  }

 private:
  kernels::MatMulShape shape_;
  std::vector<std::pair<int64_t, int64_t>> batch_;  ///< which matrices of a and b
  size_t floats_;
  int threads_;
};

/// The matrices of a and b behind each matrix of the result, whose batch sizes are `batch`.
std::vector<std::pair<int64_t, int64_t>> pair_matrices(const Dims& batch, const Dims& a, const Dims& b) {
  std::vector<std::pair<int64_t, int64_t>> pairs;
  auto at = [&](const Dims& dims, int64_t index) {
    int64_t offset = 0, step = 1, matrices = static_cast<int64_t>(dims.size()) - 2;
    for (int64_t i = static_cast<int64_t>(batch.size()); i-- > 0; index /= batch[static_cast<size_t>(i)]) {
      int64_t own = i - (static_cast<int64_t>(batch.size()) - matrices);
      if (own < 0) continue;
      int64_t size = dims[static_cast<size_t>(own)];
      offset += size == 1 ? 0 : index % batch[static_cast<size_t>(i)] * step;
      step *= size;
    }
    return offset;
  };
  for (int64_t i = 0, count = element_count(batch); i < count; ++i) pairs.emplace_back(at(a, i), at(b, i));
  return pairs;
}

}  // namespace

std::unique_ptr<Kernel> make_native_matmul(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  if (!dynamic_cast<const ops::MatMul*>(fused ? fused->inner.get() : &node.op())) return nullptr;
  Dims a = dims_of(node.input(0)), b = dims_of(node.input(1)), y = dims_of(node.output());
  if (node.input(0)->dtype() != DType::f32 || node.input(1)->dtype() != DType::f32 ||
      node.output()->dtype() != DType::f32)
    return refusal = "not f32", nullptr;
  if (fused && (!fused->act.empty() || fused->has_residual || fused->out.quantized()))
    return refusal = "epilogue", nullptr;
  if (a.size() < 2 || b.size() < 2 || element_count(y) == 0 || a.back() == 0)
    return refusal = "vectors, or empty", nullptr;
  kernels::MatMulShape shape;
  shape.rows = a[a.size() - 2], shape.depth = shape.a_row = a.back(), shape.columns = shape.y_row = b.back();
  Dims batch(y.begin(), y.end() - 2);
  auto pairs = pair_matrices(batch, a, b);
  // One b for all: the rows of all matrices are one matrix.
  bool one_b = true;
  for (size_t i = 0; i < pairs.size(); ++i) one_b &= pairs[i].second == 0 && pairs[i].first == static_cast<int64_t>(i);
  if (one_b) shape.rows *= static_cast<int64_t>(pairs.size()), pairs.resize(1);
  return std::make_unique<NativeMatMul>(shape, std::move(pairs), context.threads);
}

}  // namespace hone::cpu
