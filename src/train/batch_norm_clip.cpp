#include "train/batch_norm_clip.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include "train/batch_norm_kernels.hpp"

namespace hone {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

int64_t channels_of(const at::Tensor& x) { return x.size(1); }
int64_t rows_of(const at::Tensor& x) { return x.numel() / x.size(1); }

struct Function : torch::autograd::Function<Function> {
  static Variable forward(AutogradContext* context, const Variable& x, const Variable& scale, const Variable& bias,
                          at::Tensor running_mean, at::Tensor running_variance, BatchNormClip options) {
    int64_t channels = channels_of(x), rows = rows_of(x);
    at::Tensor mean = at::empty({channels}, at::kFloat), variance = at::empty({channels}, at::kFloat);
    batch_norm_kernels::statistics(x.data_ptr<float>(), rows, channels, mean.data_ptr<float>(),
                                   variance.data_ptr<float>());
    running_mean.mul_(options.keep).add_(mean, 1 - options.keep);
    double unbiased = static_cast<double>(rows) / static_cast<double>(rows - 1);
    running_variance.mul_(options.keep).add_(variance, (1 - options.keep) * unbiased);
    at::Tensor inverse = (variance + options.epsilon).rsqrt();
    at::Tensor a = (scale * inverse).contiguous(), b = (bias - mean * a).contiguous();
    at::Tensor y = at::empty_like(x, at::MemoryFormat::ChannelsLast);
    batch_norm_kernels::apply(x.data_ptr<float>(), y.data_ptr<float>(), rows, channels, a.data_ptr<float>(),
                              b.data_ptr<float>(), options.low, options.high);
    context->save_for_backward({x, a, b, mean, inverse});
    context->saved_data["low"] = static_cast<double>(options.low);
    context->saved_data["high"] = static_cast<double>(options.high);
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &a = saved[1], &b = saved[2], &mean = saved[3], &inverse = saved[4];
    auto low = static_cast<float>(context->saved_data["low"].toDouble());
    auto high = static_cast<float>(context->saved_data["high"].toDouble());
    at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    int64_t channels = channels_of(x), rows = rows_of(x);
    at::Tensor sum_g = at::empty_like(mean), sum_gx = at::empty_like(mean);
    batch_norm_kernels::reduce_gradient(x.data_ptr<float>(), dy.data_ptr<float>(), rows, channels, a.data_ptr<float>(),
                                        b.data_ptr<float>(), mean.data_ptr<float>(), low, high, sum_g.data_ptr<float>(),
                                        sum_gx.data_ptr<float>());
    // dx = a * (g - mean(g) - n * mean(g * n)) with n = (x - mean) * inverse, as a sum of g, x and a constant.
    auto count = static_cast<double>(rows);
    at::Tensor q = (a * sum_gx * inverse * inverse * (-1 / count)).contiguous();
    at::Tensor r = (a * sum_g * (-1 / count) - q * mean).contiguous();
    at::Tensor dx = at::empty_like(x, at::MemoryFormat::ChannelsLast);
    batch_norm_kernels::apply_gradient(x.data_ptr<float>(), dy.data_ptr<float>(), dx.data_ptr<float>(), rows, channels,
                                       a.data_ptr<float>(), b.data_ptr<float>(), low, high, a.data_ptr<float>(),
                                       q.data_ptr<float>(), r.data_ptr<float>());
    return {dx, sum_gx * inverse, sum_g, Variable(), Variable(), Variable()};
  }
};

}  // namespace

bool batch_norm_clip_takes(const at::Tensor& x) {
  return x.dim() == 4 && x.scalar_type() == at::kFloat && x.numel() > 0 &&
         x.is_contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor batch_norm_clip(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& bias,
                           at::Tensor running_mean, at::Tensor running_variance, const BatchNormClip& options) {
  return Function::apply(x, scale, bias, std::move(running_mean), std::move(running_variance), options);
}

}  // namespace hone
