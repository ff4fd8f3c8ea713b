#include <cmath>
#include <cstring>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "devices/cpu/native/conv_node.hpp"
#include "graph/ops/fused/integer_product.hpp"

namespace hone::cpu {

namespace {

/// Sums that f32 holds exactly: a u8 or i8 with a zero point of its type times a weight with one, 128 in magnitude.
constexpr int64_t kExactDepth = (1 << 24) / (255 * 255 * 2);

/// ConvInteger and MatMulInteger with constant weights, on the integer kernels of ordinary convolutions.
/// With zero points a and b: sum((x - a)(w - b)) = sum(x w) - a sum(w) - b (sum(x) - n a) over n products. The first is
/// what the kernel sums up, the second one number a channel, and the third, where weights have zero points, is put into
/// the result first and added like a residual. Results in i32 are summed up in parts that f32 holds exactly.
class IntegerProductKernel : public Kernel {
 public:
  std::string name() const override {
    return std::string("hone integer product ") + kernels::name_of(kernels::best_isa());
  }
  size_t weight_bytes() const override { return packed_bytes_; }
  bool reads(size_t i) const override { return i == 0 || i == 2 || i == 4; }

  bool build(const Node& node, const ops::Fused& fused, const ops::ProductEnd& end, const kernels::ConvShape& shape,
             const Tensor& weights, const Tensor* w_zero, std::string& refusal) {
    given_ = shape_ = shape;
    x_type_ = node.input(0)->dtype();
    integers_ = end.integers;
    has_scale_input_ = fused.inner_inputs > 4 && node.input(4);
    int8_ = kernels::conv_int8_kernels();
    if (!int8_) return refusal = "needs AVX2", false;
    if (shape.taps() > kernels::conv_max_taps) return refusal = "the kernel window is too large", false;
    if (!native_activation(fused.act, act_)) return refusal = "no such activation", false;
    take_weights(weights, w_zero);
    const auto channels = static_cast<size_t>(shape.out_channels);
    const auto spread_out = [&](const std::vector<float>& list, float none) {
      return list.size() == channels ? list : std::vector<float>(channels, list.empty() ? none : list[0]);
    };
    if (!fits(end.factors, channels) || !fits(end.bias, channels))
      return refusal = "factors are not one a channel", false;
    factors_ = spread_out(end.factors, 1), bias_ = spread_out(end.bias, 0);
    if (integers_ && shape.group_channels() * shape.taps() > kExactDepth) {
      if (shape.groups > 1 || shape.taps() > kExactDepth) return refusal = "sums of groups that f32 cannot hold", false;
      const int64_t depth = std::max<int64_t>(4, kExactDepth / shape.taps() / 4 * 4);
      parts_ = (shape.channels + depth - 1) / depth;
    }
    prepare_shape();
    packed_bytes_ = int8_->packed_bytes(shape_);
    return true;
  }

  void prepare(ThreadPool& pool) override {
    packed_ = allocate(packed_bytes_);
    const Tensor laid_out = weights_in_groups();
    sum_weights(laid_out);
    // The zero point of x is known when running: the kernel gets 0.
    pool.parallel_for(int8_->blocks(shape_), [&](int64_t block, int) {
      int8_->pack(shape_, laid_out.data<int8_t>().data(), x_type_, 0, nullptr, packed_.get(), block, block + 1);
    });
    weights_ = {};
  }

  size_t scratch_bytes() const override {
    return frame_bytes() + pixel_sum_bytes() + channel_bytes() * 3 + (integers_ ? partial_bytes() : 0);
  }

  void run(const KernelRun& run) const override {
    const int x_zero = read_zero(run);
    char* free = run.scratch;
    const auto take = [&](size_t bytes) { return std::exchange(free, free + bytes); };
    const uint8_t* x = run.in<uint8_t>(0);
    if (framed()) x = make_frame(run, x, x_zero, reinterpret_cast<uint8_t*>(take(frame_bytes())));
    auto* scale = reinterpret_cast<float*>(take(channel_bytes()));
    auto* bias = reinterpret_cast<float*>(take(channel_bytes()));
    auto* zero_factor = reinterpret_cast<float*>(take(channel_bytes()));
    make_channels(run, x_zero, scale, bias, zero_factor);
    float* y = integers_ ? reinterpret_cast<float*>(take(partial_bytes())) : run.out<float>();
    kernels::Epilogue epilogue;
    epilogue.scale = scale, epilogue.bias = bias, epilogue.act2 = act_;
    if (has_w_zero_) {
      add_zero_products(run, x, x_zero, reinterpret_cast<int32_t*>(take(pixel_sum_bytes())), zero_factor, y);
      epilogue.residual = y;
    } else {
      std::swap(epilogue.act, epilogue.act2);  // a clamp is cheapest there
    }
    multiply(run, x, epilogue, y);
    if (integers_) add_parts(run, y);
  }

 private:
  static bool fits(const std::vector<float>& list, size_t channels) {
    return list.size() <= 1 || list.size() == channels;
  }
  bool framed() const {
    return shape_.channels != given_.channels || shape_.height != given_.height || shape_.width != given_.width;
  }
  static size_t rounded_up(int64_t bytes) { return static_cast<size_t>((bytes + 63) / 64 * 64); }
  int64_t frame_pixels() const { return shape_.batch * shape_.height * shape_.width; }
  size_t frame_bytes() const { return framed() ? rounded_up(frame_pixels() * shape_.channels + 64) : 0; }
  size_t channel_bytes() const { return rounded_up(shape_.out_channels * 4); }
  size_t partial_bytes() const { return rounded_up(shape_.pixels() * shape_.out_channels * 4); }
  size_t pixel_sum_bytes() const { return has_w_zero_ ? rounded_up(frame_pixels() * shape_.groups * 4) : 0; }

  /// Weights become i8 with zero points near 0.
  void take_weights(const Tensor& weights, const Tensor* w_zero) {
    const bool is_unsigned = weights.dtype() == DType::u8;
    weights_ = Tensor(DType::i8, weights.dims());
    const auto* in = static_cast<const uint8_t*>(weights.raw());
    auto out = weights_.mutable_data<int8_t>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<int8_t>(is_unsigned ? in[i] ^ 0x80 : in[i]);
    std::vector<int64_t> zeros = w_zero ? w_zero->to_ints() : std::vector<int64_t>{0};
    w_zero_.assign(static_cast<size_t>(given_.out_channels), 0);
    for (size_t c = 0; c < w_zero_.size(); ++c) {
      w_zero_[c] = static_cast<int>(zeros[zeros.size() == 1 ? 0 : c]) - (is_unsigned ? 128 : 0);
      has_w_zero_ |= w_zero_[c] != 0;
    }
  }

  /// Padding becomes part of the frame, channels of a group a multiple of four, parts groups.
  void prepare_shape() {
    const auto& g = given_;
    copied_ = g.group_channels(), copied_to_ = (copied_ + 3) / 4 * 4;
    if (parts_ > 1) copied_to_ = (copied_ + 4 * parts_ - 1) / (4 * parts_) * (4 * parts_);
    shape_.channels = copied_to_ * g.groups;
    shape_.groups = parts_ > 1 ? static_cast<int>(parts_) : g.groups;
    shape_.out_channels = g.out_channels * parts_;
    const auto reach = [](int64_t out, int stride, int kernel, int dilation) {
      return (out - 1) * stride + (kernel - 1) * static_cast<int64_t>(dilation) + 1;
    };
    const int64_t rows = reach(g.out_height, g.stride_h, g.kernel_h, g.dilation_h);
    const int64_t columns = reach(g.out_width, g.stride_w, g.kernel_w, g.dilation_w);
    if (g.pad_top || g.pad_left || rows > g.height || columns > g.width) {
      shape_.height = std::max(rows, g.height + g.pad_top), shape_.width = std::max(columns, g.width + g.pad_left);
      shape_.pad_top = shape_.pad_left = 0;
    }
  }

  /// [group][output channel][channel][tap], zeros where channels were added.
  Tensor weights_in_groups() const {
    const int64_t taps = given_.taps(), depth = shape_.group_channels();
    Tensor result = Tensor::zeros(DType::i8, {shape_.out_channels, depth, taps});
    const int8_t* in = weights_.data<int8_t>().data();
    int8_t* out = result.mutable_data<int8_t>().data();
    for (int64_t row = 0; row < shape_.out_channels; ++row) {
      const int64_t part = parts_ > 1 ? row / given_.out_channels : 0, channel = row - part * given_.out_channels;
      for (int64_t k = 0; k < depth && part * depth + k < copied_; ++k)
        std::copy_n(in + (channel * copied_ + part * depth + k) * taps, taps, out + (row * depth + k) * taps);
    }
    return result;
  }

  void sum_weights(const Tensor& laid_out) {
    const int64_t each = laid_out.size() / shape_.out_channels;
    const int8_t* w = laid_out.data<int8_t>().data();
    w_sums_.assign(static_cast<size_t>(shape_.out_channels), 0);
    for (size_t c = 0; c < w_sums_.size(); ++c)
      for (int64_t i = 0; i < each; ++i) w_sums_[c] += w[static_cast<int64_t>(c) * each + i];
  }

  int read_zero(const KernelRun& run) const {
    if (run.inputs[2] < 0) return 0;
    return x_type_ == DType::u8 ? *run.in<uint8_t>(2) : *run.in<int8_t>(2);
  }

  void make_channels(const KernelRun& run, int x_zero, float* scale, float* bias, float* zero_factor) const {
    const float runtime = has_scale_input_ ? *run.in<float>(4) : 1.0f;
    for (int64_t i = 0; i < shape_.out_channels; ++i) {
      const auto c = static_cast<size_t>(i % given_.out_channels), at = static_cast<size_t>(i);
      scale[i] = runtime * factors_[c];
      bias[i] = static_cast<float>(bias_[c] - static_cast<double>(scale[i]) * x_zero * w_sums_[at]);
      zero_factor[i] = -scale[i] * static_cast<float>(w_zero_[c]);
    }
  }

  const uint8_t* make_frame(const KernelRun& run, const uint8_t* x, int x_zero, uint8_t* frame) const {
    const int64_t rows = shape_.batch * shape_.height, row_bytes = shape_.width * shape_.channels;
    const auto from = static_cast<size_t>(copied_), to = static_cast<size_t>(copied_to_);
    spread(run, rows, 8, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        uint8_t* out = frame + row * row_bytes;
        std::memset(out, x_zero, static_cast<size_t>(row_bytes));
        const int64_t n = row / shape_.height, h = row % shape_.height - given_.pad_top;
        if (h < 0 || h >= given_.height) continue;
        const uint8_t* in = x + (n * given_.height + h) * given_.width * given_.channels;
        out += given_.pad_left * shape_.channels;
        const int64_t pieces = given_.width * given_.groups;
        for (int64_t i = 0; i < pieces; ++i)
          std::memcpy(out + static_cast<size_t>(i) * to, in + static_cast<size_t>(i) * from, from);
      }
    });
    return frame;
  }

  /// y[pixel][c] = zero_factor[c] * (sum of x below the window - n * x_zero).
  void add_zero_products(const KernelRun& run, const uint8_t* x, int x_zero, int32_t* sums, const float* zero_factor,
                         float* y) const {
    const int64_t groups = shape_.groups, depth = shape_.group_channels(), added = copied_to_ - copied_;
    spread(run, frame_pixels(), 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * groups; i < end * groups; ++i) {
        const uint8_t* first = x + i * depth;
        // Channels that were added lie at the end of the group, or of all parts.
        const int64_t part = parts_ > 1 ? i % groups : 0;
        const int64_t own = parts_ > 1 ? std::clamp<int64_t>(copied_ - part * depth, 0, depth) : depth - added;
        int32_t sum = 0;
        if (x_type_ == DType::u8)
          for (int64_t k = 0; k < own; ++k) sum += first[k];
        else
          for (int64_t k = 0; k < own; ++k) sum += static_cast<int8_t>(first[k]);
        sums[i] = sum - static_cast<int32_t>(own) * x_zero;
      }
    });
    const int64_t per_image = shape_.out_height * shape_.out_width, each = shape_.group_out_channels();
    spread(run, shape_.pixels(), 32, [&](int64_t begin, int64_t end) {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        const int64_t n = pixel / per_image, oh = pixel % per_image / shape_.out_width, ow = pixel % shape_.out_width;
        for (int64_t g = 0; g < groups; ++g) {
          int64_t sum = 0;
          for (int64_t kh = 0; kh < shape_.kernel_h; ++kh)
            for (int64_t kw = 0; kw < shape_.kernel_w; ++kw) {
              const int64_t h = oh * shape_.stride_h + kh * shape_.dilation_h,
                            w = ow * shape_.stride_w + kw * shape_.dilation_w;
              sum += sums[((n * shape_.height + h) * shape_.width + w) * groups + g];
            }
          const auto number = static_cast<float>(sum);
          float* out = y + pixel * shape_.out_channels + g * each;
          for (int64_t c = 0; c < each; ++c) out[c] = zero_factor[g * each + c] * number;
        }
      }
    });
  }

  void multiply(const KernelRun& run, const uint8_t* x, const kernels::Epilogue& epilogue, float* y) const {
    const int64_t pixels = shape_.pixels(), blocks = int8_->blocks(shape_);
    int64_t pieces = pieces_of(pixels, 96, run.pool.threads());
    // Few pixels share out the output channels instead.
    const bool by_pixels = pieces >= run.pool.threads() || blocks < run.pool.threads();
    if (!by_pixels) pieces = pieces_of(blocks, 1, run.pool.threads());
    run.pool.parallel_for(pieces, [&](int64_t piece, int) {
      kernels::ConvRange range{0, pixels, 0, blocks};
      const auto cut = [&](int64_t i) { return i == pieces ? pixels : pixels * i / pieces / 24 * 24; };
      if (by_pixels) range.pixel_begin = cut(piece), range.pixel_end = cut(piece + 1);
      else range.block_begin = blocks * piece / pieces, range.block_end = blocks * (piece + 1) / pieces;
      int8_->run(shape_, x, x_type_, packed_.get(), epilogue, y, range);
    });
  }

  /// The i32 result: parts, each exact in f32, are summed up as integers.
  void add_parts(const KernelRun& run, const float* parts) const {
    auto* y = run.out<int32_t>();
    const int64_t channels = given_.out_channels;
    spread(run, shape_.pixels(), 256, [&](int64_t begin, int64_t end) {
      for (int64_t pixel = begin; pixel < end; ++pixel)
        for (int64_t c = 0; c < channels; ++c) {
          int64_t sum = 0;
          for (int64_t part = 0; part < parts_; ++part)
            sum += std::lrint(parts[(pixel * parts_ + part) * channels + c]);
          y[pixel * channels + c] = static_cast<int32_t>(sum);
        }
    });
  }

  kernels::ConvShape given_, shape_;  // as the node has it; as the kernel is called
  Tensor weights_;                    // i8 [output channel][channel][tap], until they are packed
  std::vector<int> w_zero_;           // of each output channel
  std::vector<int32_t> w_sums_;       // of each packed output channel
  std::vector<float> factors_, bias_;
  kernels::Activation act_;
  DType x_type_ = DType::u8;
  bool integers_ = false, has_w_zero_ = false;
  int64_t parts_ = 1;
  int64_t copied_ = 0, copied_to_ = 0;  // channels of a group before and after padding; with parts: of all
  const kernels::ConvInt8Kernels* int8_ = nullptr;
  std::shared_ptr<void> packed_;
  size_t packed_bytes_ = 0;
  bool has_scale_input_ = false;
};

/// Weights [K, N] as [N, K].
Tensor transposed(const Tensor& w) {
  Tensor result(w.dtype(), {w.dim(1), w.dim(0)});
  const auto* in = static_cast<const uint8_t*>(w.raw());
  auto* out = static_cast<uint8_t*>(result.mutable_raw());
  for (int64_t k = 0; k < w.dim(0); ++k)
    for (int64_t n = 0; n < w.dim(1); ++n) out[n * w.dim(0) + k] = in[k * w.dim(1) + n];
  return result;
}

bool byte_tensor(const Value* value) { return value->dtype() == DType::u8 || value->dtype() == DType::i8; }

kernels::ConvShape conv_sizes(const Node& node, const ops::IntegerConv& op) {
  kernels::ConvShape shape;
  const Dims x = dims_of(node.input(0)), w = dims_of(node.input(1)), y = dims_of(node.output());
  const ops::Window window = ops::resolve_window(node.place(), ops::window_attributes(op), {x[1], x[2]}, {w[2], w[3]});
  shape.batch = x[0], shape.height = x[1], shape.width = x[2], shape.channels = x[3];
  shape.out_height = y[1], shape.out_width = y[2], shape.out_channels = y[3];
  shape.groups = static_cast<int>(op.group);
  shape.kernel_h = static_cast<int>(w[2]), shape.kernel_w = static_cast<int>(w[3]);
  shape.stride_h = static_cast<int>(window.strides[0]), shape.stride_w = static_cast<int>(window.strides[1]);
  shape.dilation_h = static_cast<int>(window.dilations[0]), shape.dilation_w = static_cast<int>(window.dilations[1]);
  shape.pad_top = static_cast<int>(window.pads_begin[0]), shape.pad_left = static_cast<int>(window.pads_begin[1]);
  return shape;
}

}  // namespace

std::unique_ptr<Kernel> make_native_integer_product(const Node& node, const CpuContext&, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  const auto* conv = fused ? dynamic_cast<const ops::IntegerConv*>(fused->inner.get()) : nullptr;
  const auto* product = fused ? dynamic_cast<const ops::IntegerMatMul*>(fused->inner.get()) : nullptr;
  if (!conv && !product) return nullptr;
  const Dims x = dims_of(node.input(0));
  if (!node.input(1)->is_constant() || !byte_tensor(node.input(0)) || !byte_tensor(node.input(1)))
    return refusal = "weights are not constant", nullptr;
  if (element_count(x) == 0 || element_count(dims_of(node.output())) == 0) return refusal = "empty tensor", nullptr;
  if (conv && (!fused->channels_last || x.size() != 4)) return refusal = "not 2-D channels-last", nullptr;
  const Value* w_zero = node.input(3);
  Tensor weights = node.input(1)->constant();
  kernels::ConvShape shape;
  if (conv) {
    shape = conv_sizes(node, *conv);
  } else {
    weights = transposed(weights);
    shape.channels = x.back();
    shape.height = shape.out_height = shape.batch = 1;
    shape.width = shape.out_width = element_count(x) / x.back();
    shape.out_channels = weights.dim(0);
  }
  auto kernel = std::make_unique<IntegerProductKernel>();
  const bool built = kernel->build(node, *fused, conv ? conv->end : product->end, shape, weights,
                                   w_zero ? &w_zero->constant() : nullptr, refusal);
  return built ? std::move(kernel) : nullptr;
}

}  // namespace hone::cpu
