#pragma once
#include <cstdint>

/// Batch normalization in training with a clip behind it, over dense rows of channels (NHWC memory). Fused, because
/// training small networks is bound by memory traffic: together these read and write the activations half as often as
/// libtorch's separate ops. Notation: z = x * a + b per channel, y = clip(z, low, high).
namespace hone::batch_norm_kernels {

/// Mean and mean of squares per channel, each times `rows`: exact enough to be added up over parts of a batch.
void statistics(const float* x, int64_t rows, int64_t channels, double* sum, double* squares);

/// y = clip(x * a + b, low, high)
void apply(const float* x, float* y, int64_t rows, int64_t channels, const float* a, const float* b, float low,
           float high);

/// With g = dy where low < z < high, else 0: sum_g = sum of g and sum_gx = sum of g * (x - mean), per channel.
void reduce_gradient(const float* x, const float* dy, int64_t rows, int64_t channels, const float* a, const float* b,
                     const float* mean, float low, float high, double* sum_g, double* sum_gx);

/// dx = g * p + x * q + r per channel, g as above.
void apply_gradient(const float* x, const float* dy, float* dx, int64_t rows, int64_t channels, const float* a,
                    const float* b, float low, float high, const float* p, const float* q, const float* r);

}  // namespace hone::batch_norm_kernels
