#include "kernels/gemv.hpp"

#include "kernels/common.hpp"

namespace hone::kernels {
namespace {

TEST(Gemv, MatchesTheDefinitionForAnyShapeAndEpilogue) {
  Random random;
  for (Isa isa : isas())
    for (int round = 0; round < 40; ++round) {
      const GemvShape s{random.range(1, static_cast<int>(gemv_max_rows)), random.range(1, 150), random.range(1, 70)};
      SCOPED_TRACE(std::string(name_of(isa)) + " " + std::to_string(s.rows) + " " + std::to_string(s.depth) + " " +
                   std::to_string(s.channels) + " " + random.trace());
      const auto x = random.floats(static_cast<size_t>(s.rows * s.depth), -1, 1),
                 w = random.floats(static_cast<size_t>(s.channels * s.depth), -1, 1);
      const size_t count = static_cast<size_t>(s.rows * s.channels);
      const RandomEpilogue epilogue(random, s.channels, count, std::sqrt(static_cast<float>(s.depth)) / 3);
      const Epilogue& e = epilogue.e;
      std::vector<uint8_t> y(count * (e.out_type == DType::f32 ? 4 : 1) + 64, 0x5a);
      const int64_t units = (s.channels + gemv_unit - 1) / gemv_unit, cut = random.range(0, static_cast<int>(units));
      gemv_kernels(isa).run(s, x.data(), w.data(), e, y.data(), cut, units);
      gemv_kernels(isa).run(s, x.data(), w.data(), e, y.data(), 0, cut);
      for (size_t i = 0; i < count; ++i) {
        const size_t row = i / static_cast<size_t>(s.channels), c = i % static_cast<size_t>(s.channels),
                     depth = static_cast<size_t>(s.depth);
        double sum = 0;
        for (size_t k = 0; k < depth; ++k) sum += static_cast<double>(x[row * depth + k]) * w[c * depth + k];
        const double wanted = epilogue_reference(e, sum, c, i);
        ASSERT_TRUE(
            close_to(e.out_type, element(y.data(), e.out_type, i), wanted, e.out_inverse_scale, e.out_zero, 3e-5))
            << "element " << i << " is " << element(y.data(), e.out_type, i) << ", value " << wanted;
      }
      for (size_t i = y.size() - 64; i < y.size(); ++i) ASSERT_EQ(y[i], 0x5a) << "written behind the end";
    }
}

}  // namespace
}  // namespace hone::kernels
