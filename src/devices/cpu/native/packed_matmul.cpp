#include "kernels/packed_matmul.hpp"

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/fused/packed_matmul.hpp"
#include "tensor/int4.hpp"

namespace hone::cpu {

namespace {

/// Where the scale of weight (n, k) lies among the numbers of DequantizeLinear.
struct ScaleIndex {
  int64_t channel_step = 0, group_step = 0;
  int64_t operator()(int64_t n, int64_t group) const { return n * channel_step + group * group_step; }
};

class PackedMatMulKernel : public Kernel {
 public:
  PackedMatMulKernel(const kernels::PackedMatMulShape& shape, int threads) : shape_(shape), threads_(threads) {}
  std::string name() const override {
    return std::string("hone matmul int") + (shape_.bits == 4 ? "4 " : "8 ") + kernels::name_of(kernels::best_isa());
  }
  size_t weight_bytes() const override { return kernel_.packed_bytes(shape_); }
  bool reads(size_t i) const override { return i == 0 || static_cast<int>(i) == epilogue_.residual_input; }
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == epilogue_.residual_input; }
  size_t scratch_bytes() const override { return thread_floats() * sizeof(float) * static_cast<size_t>(threads_); }

  bool build(const Node& node, const ops::Fused& fused, const ops::PackedMatMul& op, const ScaleIndex& index,
             std::string& refusal) {
    if (!epilogue_.make(node, fused, shape_.channels, refusal)) return false;
    transposed_ = op.transposed, index_ = index;
    weights_ = node.input(1)->constant();
    scales_ = node.input(3)->constant();
    if (fused.inner_inputs > 4 && node.input(4)) zeros_ = node.input(4)->constant();
    shape_.zeros = weights_.dtype() == DType::u8 || weights_.dtype() == dtype_i4;  // what they become has others
    if (zeros_.defined())
      for (int64_t zero : as_bytes(zeros_).to_ints()) shape_.zeros |= zero != 0;
    return true;
  }

  void prepare(ThreadPool& pool) override {
    packed_ = allocate(kernel_.packed_bytes(shape_));
    // u8 becomes i8 and i4 becomes u4, with zero points to match.
    const Tensor bytes = as_bytes(weights_);
    const auto* in = static_cast<const uint8_t*>(bytes.raw());
    const int64_t depth = shape_.depth, channels = shape_.channels, groups = shape_.groups();
    const int flip = weights_.dtype() == DType::u8 ? 128 : 0, raise = weights_.dtype() == dtype_i4 ? 8 : 0;
    std::vector<int8_t> rows(static_cast<size_t>(depth * channels));
    for (int64_t n = 0; n < channels; ++n)
      for (int64_t k = 0; k < depth; ++k)
        rows[static_cast<size_t>(n * depth + k)] =
            static_cast<int8_t>((transposed_ ? in[n * depth + k] : in[k * channels + n]) - flip + raise);
    const std::vector<float> given = scales_.to_floats();
    const std::vector<int64_t> given_zeros =
        zeros_.defined() ? as_bytes(zeros_).to_ints() : std::vector<int64_t>(given.size(), 0);
    std::vector<float> scale(static_cast<size_t>(channels * groups)), zero(scale.size());
    for (int64_t n = 0; n < channels; ++n)
      for (int64_t g = 0; g < groups; ++g) {
        const auto to = static_cast<size_t>(n * groups + g), from = static_cast<size_t>(index_(n, g));
        scale[to] = given[from];
        zero[to] = static_cast<float>(given_zeros[from] - flip + raise);
      }
    pool.parallel_for(kernel_.units(shape_), [&](int64_t unit, int) {
      kernel_.pack(shape_, rows.data(), scale.data(), zero.data(), packed_.get(), unit);
    });
    weights_ = {}, scales_ = {}, zeros_ = {};
  }

  void run(const KernelRun& run) const override {
    const kernels::Epilogue epilogue = epilogue_.bind(run);
    const int64_t units = kernel_.units(shape_), pieces = pieces_of(units, 1, run.pool.threads());
    run.pool.parallel_for(pieces, [&](int64_t piece, int thread) {
      float* scratch = reinterpret_cast<float*>(run.scratch) + static_cast<size_t>(thread) * thread_floats();
      kernel_.run(shape_, run.in<float>(0), packed_.get(), epilogue, run.out(), units * piece / pieces,
                  units * (piece + 1) / pieces, scratch);
    });
  }

 private:
  size_t thread_floats() const { return (kernel_.scratch_floats(shape_) + 15) / 16 * 16; }

  const kernels::PackedMatMulKernels& kernel_ = kernels::packed_matmul_kernels();
  kernels::PackedMatMulShape shape_;
  int threads_;
  bool transposed_ = false;
  ScaleIndex index_;
  Tensor weights_, scales_, zeros_;  // until they are packed
  NativeEpilogue epilogue_;
  std::shared_ptr<void> packed_;
};

}  // namespace

std::unique_ptr<Kernel> make_native_packed_matmul(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* op = fused ? dynamic_cast<const ops::PackedMatMul*>(fused->inner.get()) : nullptr;
  if (!op) return nullptr;
  const Dims x = dims_of(node.input(0)), w = dims_of(node.input(1));
  if (node.input(0)->dtype() != DType::f32 || element_count(x) == 0 || element_count(w) == 0)
    return refusal = "not a product of floats", nullptr;
  kernels::PackedMatMulShape shape;
  shape.depth = x.back(), shape.rows = element_count(x) / x.back(), shape.channels = w[op->transposed ? 0 : 1];
  shape.bits = is_4_bit(node.input(1)->dtype()) ? 4 : 8;
  shape.group = op->block_size > 0 ? std::min(op->block_size, shape.depth) : shape.depth;
  // One number, one a channel, or [K / group, N] in the layout of the weights.
  ScaleIndex index;
  if (op->block_size > 0) index = op->transposed ? ScaleIndex{shape.groups(), 1} : ScaleIndex{1, shape.channels};
  else if (node.input(3)->constant().size() > 1) index = {1, 0};
  auto kernel = std::make_unique<PackedMatMulKernel>(shape, context.threads);
  return kernel->build(node, *fused, *op, index, refusal) ? std::move(kernel) : nullptr;
}

}  // namespace hone::cpu
