#include "kernels/softmax_int8.hpp"

#include <cmath>

#include "kernels/common.hpp"

namespace hone::kernels {
namespace {

/// The real results, to compare the bytes with.
std::vector<double> exact(const SoftmaxInt8& s, const std::vector<uint8_t>& x, int64_t outer) {
  std::vector<double> y(x.size());
  auto at = [&](int64_t o, int64_t k, int64_t i) { return static_cast<size_t>((o * s.length + k) * s.inner + i); };
  auto number = [&](size_t i) { return s.x_signed ? static_cast<int8_t>(x[i]) : static_cast<int>(x[i]); };
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < s.inner; ++i) {
      double sum = 0;
      int top = -128;
      for (int64_t k = 0; k < s.length; ++k) top = std::max(top, static_cast<int>(number(at(o, k, i))));
      for (int64_t k = 0; k < s.length; ++k)
        sum += y[at(o, k, i)] = std::exp(static_cast<double>(s.x_scale) * (number(at(o, k, i)) - top));
      for (int64_t k = 0; k < s.length; ++k) y[at(o, k, i)] /= sum;
    }
  return y;
}

void check(Isa isa, SoftmaxInt8 s, int64_t outer, Random& random) {
  SCOPED_TRACE(std::string(name_of(isa)) + " length " + std::to_string(s.length) + " inner " + std::to_string(s.inner));
  const std::vector<uint8_t> x = random.bytes(static_cast<size_t>(outer * s.length * s.inner));
  const std::vector<double> wanted = exact(s, x, outer);
  std::vector<uint8_t> y = x;  // in place
  const int64_t units = s.units(outer), half = units / 2;
  softmax_int8_kernels(isa).run(s, y.data(), y.data(), half, units);
  softmax_int8_kernels(isa).run(s, y.data(), y.data(), 0, half);
  const int low = s.y_signed ? -128 : 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double real = std::clamp(wanted[i] / s.y_scale + s.y_zero, static_cast<double>(low), low + 255.0);
    const int got = s.y_signed ? static_cast<int8_t>(y[i]) : static_cast<int>(y[i]);
    // Half a step, and what an error of 1e-5 can move.
    ASSERT_LE(std::fabs(got - real), 0.5 + 1e-5 * wanted[i] / s.y_scale + 1e-6) << i << " of " << real;
  }
}

TEST(SoftmaxInt8, GivesTheNearestByte) {
  Random random;
  SCOPED_TRACE(random.trace());
  for (Isa isa : isas())
    for (bool x_signed : {false, true})
      for (bool y_signed : {false, true})
        for (auto [length, inner] : {std::pair<int64_t, int64_t>{1, 1}, {7, 1}, {16, 1}, {333, 1}, {5000, 1}, {21, 130},
                                     {3, 5}, {1, 64}})
          check(isa, {.x_signed = x_signed, .y_signed = y_signed, .x_scale = 0.03F, .y_scale = 1 / 256.0F,
                      .y_zero = y_signed ? -128 : 3, .length = length, .inner = inner}, 3, random);
}

}  // namespace
}  // namespace hone::kernels
