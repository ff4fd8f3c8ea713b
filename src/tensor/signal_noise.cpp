#include "tensor/signal_noise.hpp"

#include <algorithm>
#include <cmath>

namespace hone {

void SignalNoise::add(std::span<const float> exact, std::span<const float> got) {
  for (size_t i = 0; i < exact.size(); ++i) {
    const double difference = static_cast<double>(exact[i]) - got[i];
    noise += difference * difference;
    signal += static_cast<double>(exact[i]) * exact[i];
  }
}

bool SignalNoise::add(const Tensor& exact, const Tensor& got) {
  if (exact.dtype() != DType::f32 || got.dtype() != DType::f32 || exact.dims() != got.dims()) return false;
  add(exact.data<float>(), got.data<float>());
  return true;
}

double SignalNoise::relative_error() const { return std::max(noise, 1e-20) / std::max(signal, 1e-20); }

double SignalNoise::decibels() const { return -10 * std::log10(relative_error()); }

}  // namespace hone
