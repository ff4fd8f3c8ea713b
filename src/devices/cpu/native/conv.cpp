#include "kernels/conv.hpp"

#include <cstring>
#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/border.hpp"
#include "devices/cpu/native/common.hpp"
#include "devices/cpu/native/conv_node.hpp"
#include "devices/cpu/native/unfold.hpp"
#include "devices/cpu/tuner.hpp"
#include "graph/ops/nn/conv.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/mat_mul.hpp"

namespace hone::cpu {

namespace {

/// A layer of our convolution kernels: Conv, or Gemm as a 1x1 convolution of its rows.
class NativeConv : public Kernel {
 public:
  explicit NativeConv(const CpuContext& context) : context_(context), threads_(context.threads) {}
  std::string name() const override {
    return std::string(integer_ ? "hone conv int8 " : "hone conv f32 ") + kernels::name_of(kernels::best_isa());
  }
  std::string signature() const override { return conv_signature(given_, x_type_); }
  double confidence() const override { return integer_ ? 1.15 : Kernel::confidence(); }
  double estimate() const override {
    const double rate = integer_ ? integer_rate() : float_rate(),
                 met = integer_ ? 1 : taps_within(given_) / static_cast<double>(given_.taps());
    return expected_us(conv_operations(given_) * met, rate, static_cast<double>(packed_bytes_), 0, context_);
  }
  size_t weight_bytes() const override { return packed_bytes_; }
  std::vector<std::span<const std::byte>> packed() const override {
    return {{static_cast<const std::byte*>(packed_.get()), packed_bytes_}};
  }
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == epilogue_.residual_input; }
  bool reads(size_t i) const override { return i == 0 || static_cast<int>(i) == epilogue_.residual_input; }

  bool spaces_output(size_t length) const override {
    return !unfold_ && epilogue_.residual_input < 0 && length == out_size_ * static_cast<size_t>(shape_.out_channels);
  }
  void space_output(size_t row) override { shape_.out_row = static_cast<int64_t>(row / out_size_); }

  bool build(const Node& node, const ops::Fused& fused, const kernels::ConvShape& shape, const Tensor& weights,
             std::string& refusal) {
    given_ = shape_ = shape;
    x_type_ = node.input(0)->dtype();
    out_size_ = size_of(node.output()->dtype());
    integer_ = !fused.weight_scales.empty();
    if (shape.taps() > kernels::conv_max_taps) return refusal = "the kernel window is too large", false;
    if (!epilogue_.make(node, fused, shape.out_channels, refusal)) return false;
    weights_ = weights;
    x_zero_ = static_cast<int>(fused.input_quant(0).zero);
    if (integer_ && Unfold::pays(shape)) {
      unfold_ = std::make_unique<Unfold>(shape, size_of(x_type_), x_zero_, 4);
      shape_ = unfold_->matrix_shape();
    } else if (integer_ && shape.group_channels() % 4 == 0 && Border::pays(shape, size_of(x_type_))) {
      border_ = std::make_unique<Border>(shape, size_of(x_type_), x_zero_);
      shape_ = border_->bordered_shape();
    }
    if (integer_) {
      int8_ = kernels::conv_int8_kernels();
      if (!int8_) return refusal = "needs AVX2", false;
      source_channels_ = shape_.group_channels();
      shape_.channels = shape_.groups * ((source_channels_ + 3) / 4 * 4);
      packed_bytes_ = int8_->packed_bytes(shape_);
      blocks_ = int8_->blocks(shape_);
    } else {
      f32_ = kernels::conv_f32_kernels();
      if (!f32_) return refusal = "needs AVX2", false;
      if (x_type_ != DType::f32) return refusal = "input is not f32", false;
      packed_bytes_ = f32_->packed_bytes(shape_);
      blocks_ = f32_->blocks(shape_);
    }
    if (context_.stored) packed_ = context_.stored->next(packed_bytes_);
    return true;
  }

  void rehearse(const std::shared_ptr<void>& memory) override { packed_ = memory; }

  void prepare(ThreadPool& pool) override {
    packed_ = context_.allocate_weights(packed_bytes_, pool);
    Tensor plain = unfold_ ? unfold_->weights(weights_) : weights_;
    if (integer_) pack_integers(pad_channels(plain, source_channels_, shape_.group_channels()), pool);
    else pack_floats(plain, pool);
    weights_ = {};
  }

  size_t scratch_bytes() const override {
    if (unfold_) return unfold_->scratch_bytes() * static_cast<size_t>(threads_);
    if (border_) return border_->scratch_bytes();
    if (!padded()) return 0;
    return static_cast<size_t>(shape_.batch * shape_.height * shape_.width * shape_.channels);
  }

  void run(const KernelRun& run) const override {
    kernels::Epilogue epilogue = epilogue_.bind(run);
    if (unfold_) return run_unfolded(run, epilogue);
    const void* x = run.in(0);
    if (padded()) x = widen_channels(run);
    if (border_) {
      spread(run, border_->rows(), 64, [&](int64_t begin, int64_t end) { border_->fill(x, run.scratch, begin, end); });
      x = run.scratch;
    }
    int64_t pixels = shape_.pixels(), pieces = pieces_of(pixels, 96, run.pool.threads());
    // Few pixels share out the output channels instead.
    bool by_pixels = pieces >= run.pool.threads() || blocks_ < run.pool.threads();
    if (!by_pixels) pieces = pieces_of(blocks_, 1, run.pool.threads());
    run.pool.parallel_for(pieces, [&](int64_t piece, int) {
      kernels::ConvRange range{0, pixels, 0, blocks_, run.ahead.data(), std::min(kAhead, std::ssize(run.ahead))};
      if (by_pixels) {
        // Whole tiles: a multiple of their heights.
        const int64_t unit = integer_ ? 28 : 24;
        auto cut = [&](int64_t i) { return i == pieces ? pixels : pixels * i / pieces / unit * unit; };
        range.pixel_begin = cut(piece), range.pixel_end = cut(piece + 1);
      } else {
        range.block_begin = blocks_ * piece / pieces, range.block_end = blocks_ * (piece + 1) / pieces;
      }
      compute(x, epilogue, run.out(), range);
    });
  }

 private:
  void pack_integers(const Tensor& plain, ThreadPool& pool) {
    pool.parallel_for(blocks_, [&](int64_t block, int) {
      int8_->pack(shape_, plain.data<int8_t>().data(), x_type_, x_zero_, epilogue_.start_data(), packed_.get(), block,
                  block + 1);
    });
  }

  void pack_floats(const Tensor& plain, ThreadPool& pool) {
    auto first = [&](int64_t block) { return f32_->first_channel(shape_, block); };
    WeightRows rows(plain, largest_block(blocks_, first), pool.threads());
    pool.parallel_for(blocks_, [&](int64_t block, int thread) {
      f32_->pack(shape_, rows.base(first(block), first(block + 1), thread), packed_.get(), block, block + 1);
    });
  }

  /// As much as the second-level cache has room for beside a layer's own data.
  static constexpr std::ptrdiff_t kAhead = 192 * 1024;

  void compute(const void* x, const kernels::Epilogue& epilogue, void* y, const kernels::ConvRange& range) const {
    if (integer_) int8_->run(shape_, x, x_type_, packed_.get(), epilogue, y, range);
    else f32_->run(shape_, static_cast<const float*>(x), packed_.get(), epilogue, y, range);
  }

  /// Pixels are unfolded in chunks that stay in the cache and multiplied at once.
  void run_unfolded(const KernelRun& run, const kernels::Epilogue& epilogue) const {
    int64_t pixels = unfold_->pixels(), chunk = Unfold::chunk, chunks = (pixels + chunk - 1) / chunk;
    size_t row = static_cast<size_t>(shape_.out_channels);
    run.pool.parallel_for(chunks, [&](int64_t index, int thread) {
      int64_t begin = index * chunk, end = std::min(pixels, begin + chunk);
      char* matrix = run.scratch + static_cast<size_t>(thread) * unfold_->scratch_bytes();
      unfold_->fill(run.in(0), matrix, begin, end);
      kernels::Epilogue here = epilogue;
      size_t first = static_cast<size_t>(begin) * row;
      if (here.residual) here.residual = static_cast<const char*>(here.residual) + first * size_of(here.residual_type);
      compute(matrix, here, run.out<char>() + first * size_of(here.out_type), {0, end - begin, 0, blocks_});
    });
  }

  bool padded() const { return integer_ && source_channels_ != shape_.group_channels(); }

  /// Integer kernels read four channels at a time: weights of the channels that are added are 0.
  static Tensor pad_channels(const Tensor& w, int64_t channels, int64_t to) {
    if (channels == to) return w;
    int64_t taps = w.size() / (w.dim(0) * channels);
    Tensor result = Tensor::zeros(DType::i8, {w.dim(0), to, taps});
    for (int64_t o = 0; o < w.dim(0); ++o)
      std::copy_n(w.data<int8_t>().data() + o * channels * taps, channels * taps,
                  result.mutable_data<int8_t>().data() + o * to * taps);
    return result;
  }

  /// Rows of `from` bytes become rows of `to`. What is added meets weights of 0, so it may be what comes next in x;
  /// only behind the last row there is nothing.
  template <size_t To>
  static void widen_rows(const uint8_t* x, uint8_t* wide, int64_t begin, int64_t end, int64_t rows, size_t from,
                         size_t to) {
    if (To) to = To;
    const int64_t whole = std::min(end, rows - 1);
    for (int64_t i = begin; i < whole; ++i)
      std::memcpy(wide + static_cast<size_t>(i) * to, x + static_cast<size_t>(i) * from, To ? To : to);
    if (end < rows || end == begin) return;
    std::memset(wide + static_cast<size_t>(rows - 1) * to, 0, to);
    std::memcpy(wide + static_cast<size_t>(rows - 1) * to, x + static_cast<size_t>(rows - 1) * from, from);
  }

  const void* widen_channels(const KernelRun& run) const {
    // Each group of a pixel is a row.
    const int64_t rows = shape_.batch * shape_.height * shape_.width * shape_.groups;
    const auto from = static_cast<size_t>(source_channels_), to = static_cast<size_t>(shape_.group_channels());
    const uint8_t* x = run.in<uint8_t>(0);
    uint8_t* wide = reinterpret_cast<uint8_t*>(run.scratch);
    spread(run, rows, 16384, [&](int64_t begin, int64_t end) {
      switch (from < 4 ? 0 : to) {
        case 8: return widen_rows<8>(x, wide, begin, end, rows, from, to);
        case 12: return widen_rows<12>(x, wide, begin, end, rows, from, to);
        case 16: return widen_rows<16>(x, wide, begin, end, rows, from, to);
        case 20: return widen_rows<20>(x, wide, begin, end, rows, from, to);
        case 24: return widen_rows<24>(x, wide, begin, end, rows, from, to);
        case 28: return widen_rows<28>(x, wide, begin, end, rows, from, to);
        case 32: return widen_rows<32>(x, wide, begin, end, rows, from, to);
        case 0:  // a row is shorter than what is added
          for (int64_t i = begin; i < end; ++i)
            for (size_t c = 0; c < to; ++c)
              wide[static_cast<size_t>(i) * to + c] = c < from ? x[static_cast<size_t>(i) * from + c] : 0;
          return;
        default: return widen_rows<0>(x, wide, begin, end, rows, from, to);
      }
    });
    return wide;
  }

  kernels::ConvShape given_, shape_;  // as the node has it; as the kernel is called
  Tensor weights_;                    // until they are packed
  NativeEpilogue epilogue_;
  DType x_type_ = DType::f32;
  size_t out_size_ = 4;  // of an element
  bool integer_ = false;
  int x_zero_ = 0;
  const kernels::ConvF32Kernels* f32_ = nullptr;
  const kernels::ConvInt8Kernels* int8_ = nullptr;
  std::shared_ptr<void> packed_;
  size_t packed_bytes_ = 0;
  int64_t blocks_ = 0;
  int64_t source_channels_ = 0;  ///< of a group, before padding
  std::unique_ptr<Unfold> unfold_;
  std::unique_ptr<Border> border_;
  CpuContext context_;
  int threads_ = 1;
};

}  // namespace

std::unique_ptr<Kernel> make_native_conv(const Node& node, const CpuContext& context, std::string& refusal) {
  const ops::Conv* conv = plain_conv(node, refusal);
  if (!conv) return nullptr;
  const kernels::ConvShape shape = conv_shape(node, *conv);
  auto kernel = std::make_unique<NativeConv>(context);
  return kernel->build(node, *node.as<ops::Fused>(), shape, node.input(1)->constant(), refusal) ? std::move(kernel)
                                                                                                : nullptr;
}

std::unique_ptr<Kernel> make_native_gemm(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* gemm = fused ? dynamic_cast<const ops::Gemm*>(fused->inner.get()) : nullptr;
  if (!gemm && !(fused && dynamic_cast<const ops::MatMul*>(fused->inner.get()))) return nullptr;
  Dims x = dims_of(node.input(0));
  if (!node.input(1)->is_constant() || dims_of(node.input(1)).size() != 2)
    return refusal = "weights are not a constant matrix", nullptr;
  if (gemm && (gemm->alpha != 1 || gemm->beta != 1 || gemm->transA)) return refusal = "alpha, beta or transA", nullptr;
  if (x.size() < 2 || element_count(x) == 0) return refusal = "not a matrix", nullptr;
  const Value* bias = fused->inner_inputs > 2 ? node.input(2) : nullptr;
  if (bias &&
      (!bias->is_constant() || (bias->constant().size() != 1 && dims_of(bias).back() != bias->constant().size())))
    return refusal = "bias is not a constant row", nullptr;
  Tensor weights = node.input(1)->constant();
  const bool rows_are_outputs = gemm && gemm->transB;
  if (!rows_are_outputs && !context.stored) {  // the kernels want [N, K]
    const Tensor* arguments[] = {&weights};
    Tensor rows[1];
    EvalContext context(node.place(), arguments, rows);
    auto transpose = make_op("", "Transpose");
    transpose->evaluate(context);
    weights = rows[0];
  }
  kernels::ConvShape shape;
  shape.channels = x.back();
  shape.height = shape.out_height = 1;
  shape.width = shape.out_width = element_count(x) / x.back();
  shape.out_channels = dims_of(node.input(1))[rows_are_outputs ? 0 : 1];
  auto kernel = std::make_unique<NativeConv>(context);
  return kernel->build(node, *fused, shape, weights, refusal) ? std::move(kernel) : nullptr;
}

}  // namespace hone::cpu
