#include "train/ops/batch_norm_clip.hpp"

#include <algorithm>
#include <vector>

#include <torch/csrc/autograd/custom_function.h>

#include "train/ops/batch_norm_kernels.hpp"

namespace hone {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

int64_t channels_of(const at::Tensor& x) { return x.size(1); }
int64_t rows_of(const at::Tensor& x) { return x.numel() / x.size(1); }

/// Two numbers a channel, with their sums over all parts.
struct ChannelSums {
  explicit ChannelSums(int64_t channels) : channels(channels), values(static_cast<size_t>(2 * channels + 1)) {}

  double* first() { return values.data(); }
  double* second() { return values.data() + channels; }
  double& count() { return values.back(); }
  at::Tensor tensor(int which) const {
    at::Tensor sums = at::empty({channels}, at::kDouble);
    std::copy_n(values.begin() + which * channels, channels, sums.data_ptr<double>());
    return sums;
  }

  int64_t channels;
  std::vector<double> values;
};

/// Synchronized batch normalization as of Zhang et al. 2018 (Context Encoding), by sums over the whole batch.
struct Function : torch::autograd::Function<Function> {
  static Variable forward(AutogradContext* context, const Variable& x, const Variable& scale, const Variable& bias,
                          at::Tensor running_mean, at::Tensor running_variance, BatchNormClip options) {
    int64_t channels = channels_of(x), rows = rows_of(x);
    ChannelSums sums(channels);
    batch_norm_kernels::statistics(x.data_ptr<float>(), rows, channels, sums.first(), sums.second());
    sums.count() = static_cast<double>(rows);
    options.parts->sum(sums.values);
    double count = sums.count();
    at::Tensor exact_mean = sums.tensor(0) / count;
    at::Tensor variance = (sums.tensor(1) / count - exact_mean * exact_mean).clamp_min(0).to(at::kFloat);
    at::Tensor mean = exact_mean.to(at::kFloat);
    running_mean.mul_(options.keep).add_(mean, 1 - options.keep);
    running_variance.mul_(options.keep).add_(variance, (1 - options.keep) * count / (count - 1));
    at::Tensor inverse = (variance + options.epsilon).rsqrt();
    at::Tensor a = (scale * inverse).contiguous(), b = (bias - mean * a).contiguous();
    at::Tensor y = at::empty_like(x, at::MemoryFormat::ChannelsLast);
    batch_norm_kernels::apply(x.data_ptr<float>(), y.data_ptr<float>(), rows, channels, a.data_ptr<float>(),
                              b.data_ptr<float>(), options.low, options.high);
    context->save_for_backward({x, a, b, mean, inverse});
    context->saved_data["low"] = static_cast<double>(options.low);
    context->saved_data["high"] = static_cast<double>(options.high);
    context->saved_data["parts"] = static_cast<int64_t>(reinterpret_cast<intptr_t>(options.parts));
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &a = saved[1], &b = saved[2], &mean = saved[3], &inverse = saved[4];
    auto low = static_cast<float>(context->saved_data["low"].toDouble());
    auto high = static_cast<float>(context->saved_data["high"].toDouble());
    auto* parts = reinterpret_cast<PartSum*>(static_cast<intptr_t>(context->saved_data["parts"].toInt()));
    at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    int64_t channels = channels_of(x), rows = rows_of(x);
    ChannelSums sums(channels);
    batch_norm_kernels::reduce_gradient(x.data_ptr<float>(), dy.data_ptr<float>(), rows, channels, a.data_ptr<float>(),
                                        b.data_ptr<float>(), mean.data_ptr<float>(), low, high, sums.first(),
                                        sums.second());
    // The gradients of scale and bias are those of this part: they are added up with all others.
    at::Tensor d_bias = sums.tensor(0).to(at::kFloat), d_scale = sums.tensor(1).to(at::kFloat) * inverse;
    sums.count() = static_cast<double>(rows);
    parts->sum(sums.values);
    // dx = a * (g - mean(g) - n * mean(g * n)) with n = (x - mean) * inverse, as a sum of g, x and a constant.
    double count = sums.count();
    at::Tensor sum_g = sums.tensor(0).to(at::kFloat), sum_gx = sums.tensor(1).to(at::kFloat);
    at::Tensor q = (a * sum_gx * inverse * inverse * (-1 / count)).contiguous();
    at::Tensor r = (a * sum_g * (-1 / count) - q * mean).contiguous();
    at::Tensor dx = at::empty_like(x, at::MemoryFormat::ChannelsLast);
    batch_norm_kernels::apply_gradient(x.data_ptr<float>(), dy.data_ptr<float>(), dx.data_ptr<float>(), rows, channels,
                                       a.data_ptr<float>(), b.data_ptr<float>(), low, high, a.data_ptr<float>(),
                                       q.data_ptr<float>(), r.data_ptr<float>());
    return {dx, d_scale, d_bias, Variable(), Variable(), Variable()};
  }
};

/// Any rank as [N, C, H, W].
std::vector<int64_t> as_images(const at::Tensor& x) {
  int64_t height = x.dim() > 2 ? x.size(2) : 1, pixels = x.numel() / std::max<int64_t>(1, x.size(0) * x.size(1));
  return {x.size(0), x.size(1), height, pixels / std::max<int64_t>(1, height)};
}

}  // namespace

at::Tensor batch_norm_clip(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& bias,
                           at::Tensor running_mean, at::Tensor running_variance, const BatchNormClip& options) {
  at::Tensor images = (x.dim() == 4 ? x : x.reshape(as_images(x))).contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor y = Function::apply(images, scale, bias, std::move(running_mean), std::move(running_variance), options);
  return x.dim() == 4 ? y : y.reshape(x.sizes());
}

}  // namespace hone
