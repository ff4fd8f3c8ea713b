#include "common.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/matmul.hpp"
#include "kernels/move.hpp"
#include "kernels/reduce.hpp"
#include "kernels/resize.hpp"

/// Resize, reductions, layer norm, matrix products, attention and moves against plain loops.
namespace hone::kernels {
namespace {

std::string at(Isa isa, const Random& random) { return std::string(name_of(isa)) + " " + random.trace(); }

TEST(ResizeKernels, SmoothIsTheWeightedSum) {
  Random random;
  for (int round = 0; round < 60; ++round)
    for (Isa isa : isas()) {
      ResizeJob job;
      int64_t outer = random.range(1, 2);
      job.height = random.range(1, 6), job.width = random.range(1, 9), job.channels = random.pick({1, 1, 3, 17, 70});
      job.out_height = random.range(1, 9), job.out_width = random.range(1, 40);
      auto taps = [&](int64_t in, int64_t out, int& count, std::vector<int32_t>& index, std::vector<float>& weight) {
        count = random.range(1, 4);
        weight = random.floats(static_cast<size_t>(out * count), 0, 1);
        for (int64_t i = 0; i < out * count; ++i) index.push_back(random.range(0, static_cast<int>(in) - 1));
      };
      std::vector<int32_t> row_index, column_index;
      std::vector<float> row_weight, column_weight;
      taps(job.height, job.out_height, job.rows.taps, row_index, row_weight);
      taps(job.width, job.out_width, job.columns.taps, column_index, column_weight);
      job.rows.index = row_index.data(), job.rows.weight = row_weight.data();
      job.columns.index = column_index.data(), job.columns.weight = column_weight.data();
      bool bytes = random.range(0, 1);
      size_t in_count = static_cast<size_t>(outer * job.height * job.width * job.channels);
      size_t out_count = static_cast<size_t>(outer * job.out_height * job.out_width * job.channels);
      auto floats = random.floats(in_count);
      auto codes = random.bytes(in_count);
      job.x = bytes ? Operand{codes.data(), DType::u8, 0.01f, 90} : Operand{floats.data()};
      if (bytes) job.target = {DType::i8, 0.025f, 7};
      std::vector<uint8_t> y(out_count * 4);
      std::vector<float> scratch(static_cast<size_t>(smooth_scratch(job)));
      resize_kernels(isa).smooth(job, y.data(), scratch.data(), 0, outer * job.out_height);
      for (size_t i = 0; i < out_count; ++i) {
        int64_t c = static_cast<int64_t>(i) % job.channels, ox = static_cast<int64_t>(i) / job.channels % job.out_width;
        int64_t r = static_cast<int64_t>(i) / job.channels / job.out_width, oy = r % job.out_height,
                o = r / job.out_height;
        double sum = 0;
        for (int a = 0; a < job.rows.taps; ++a)
          for (int b = 0; b < job.columns.taps; ++b) {
            int64_t iy = row_index[static_cast<size_t>(oy * job.rows.taps + a)];
            int64_t ix = column_index[static_cast<size_t>(b * job.out_width + ox)];
            size_t from = static_cast<size_t>(((o * job.height + iy) * job.width + ix) * job.channels + c);
            double value = bytes ? (codes[from] - 90) * 0.01 : floats[from];
            sum += value * row_weight[static_cast<size_t>(oy * job.rows.taps + a)] *
                   column_weight[static_cast<size_t>(b * job.out_width + ox)];
          }
        ASSERT_TRUE(close_to(job.target.type, element(y.data(), job.target.type, i), sum, 40, 7, 1e-5))
            << at(isa, random);
      }
    }
}

TEST(ReduceKernels, EveryKindOverAnyAxis) {
  Random random;
  for (int round = 0; round < 60; ++round)
    for (Isa isa : isas()) {
      int64_t outer = random.range(1, 3), length = random.range(1, 200), inner = random.pick({1, 1, 2, 7, 16, 70});
      auto x = random.floats(static_cast<size_t>(outer * length * inner));
      std::vector<float> y(static_cast<size_t>(outer * inner));
      auto kind = random.pick({Reduction::sum, Reduction::mean, Reduction::maximum, Reduction::minimum,
                               Reduction::sum_square, Reduction::l1, Reduction::l2});
      reduce_kernels(isa).reduce(kind, x.data(), length, inner, y.data(), 0, outer);
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i) {
          double sum = 0, squares = 0, magnitude = 0, high = -INFINITY, low = INFINITY;
          for (int64_t k = 0; k < length; ++k) {
            double v = x[static_cast<size_t>((o * length + k) * inner + i)];
            sum += v, squares += v * v, magnitude += std::abs(v), high = std::max(high, v), low = std::min(low, v);
          }
          double wanted = kind == Reduction::sum          ? sum
                          : kind == Reduction::mean       ? sum / static_cast<double>(length)
                          : kind == Reduction::maximum    ? high
                          : kind == Reduction::minimum    ? low
                          : kind == Reduction::sum_square ? squares
                          : kind == Reduction::l1         ? magnitude
                                                          : std::sqrt(squares);
          ASSERT_NEAR(y[static_cast<size_t>(o * inner + i)], wanted, 2e-4)
              << at(isa, random) << " kind " << static_cast<int>(kind);
        }
    }
}

TEST(ReduceKernels, LayerNorm) {
  Random random;
  for (int round = 0; round < 30; ++round)
    for (Isa isa : isas()) {
      int64_t rows = random.range(1, 4), length = random.range(1, 150);
      auto x = random.floats(static_cast<size_t>(rows * length), 3, 7);
      auto scale = random.floats(static_cast<size_t>(length)), bias = random.floats(static_cast<size_t>(length));
      bool with_bias = random.range(0, 1);
      std::vector<float> y(x.size());
      reduce_kernels(isa).layer_norm(x.data(), length, 1e-3f, scale.data(), with_bias ? bias.data() : nullptr, y.data(),
                                     0, rows);
      for (int64_t r = 0; r < rows; ++r) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < length; ++i)
          mean += x[static_cast<size_t>(r * length + i)] / static_cast<double>(length);
        for (int64_t i = 0; i < length; ++i)
          variance += std::pow(x[static_cast<size_t>(r * length + i)] - mean, 2) / static_cast<double>(length);
        for (int64_t i = 0; i < length; ++i) {
          size_t k = static_cast<size_t>(i);
          double wanted = (x[static_cast<size_t>(r * length + i)] - mean) / std::sqrt(variance + 1e-3) * scale[k] +
                          (with_bias ? bias[k] : 0);
          ASSERT_NEAR(y[static_cast<size_t>(r * length + i)], wanted, 1e-4) << at(isa, random);
        }
      }
    }
}

TEST(MatMulKernels, ProductsOfAnySizes) {
  Random random;
  for (int round = 0; round < 60; ++round)
    for (Isa isa : isas()) {
      MatMulShape s;
      s.rows = random.range(1, 20), s.depth = random.range(1, 40), s.columns = random.range(1, 150);
      s.a_row = s.depth + random.range(0, 3), s.y_row = s.columns + random.range(0, 3);
      bool transposed = random.range(0, 1);
      auto a = random.floats(static_cast<size_t>(s.rows * s.a_row)),
           b = random.floats(static_cast<size_t>(s.depth * s.columns));
      const auto& kernel = matmul_kernels(isa);
      std::vector<float> packed(kernel.packed_floats(s.depth, s.columns)),
          y(static_cast<size_t>(s.rows * s.y_row), 9.0f);
      MatrixView view{b.data(), transposed ? 1 : s.columns, transposed ? s.depth : 1};
      kernel.pack(view, s.depth, s.columns, packed.data());
      kernel.run(s, a.data(), packed.data(), 0.5f, y.data(), 0, s.rows);
      for (int64_t r = 0; r < s.rows; ++r)
        for (int64_t c = 0; c < s.y_row; ++c) {
          double wanted = c < s.columns ? 0 : 9;
          for (int64_t k = 0; k < s.depth && c < s.columns; ++k)
            wanted +=
                0.5 * a[static_cast<size_t>(r * s.a_row + k)] * b[static_cast<size_t>(k * view.row + c * view.column)];
          ASSERT_NEAR(y[static_cast<size_t>(r * s.y_row + c)], wanted, 1e-4) << at(isa, random);
        }
    }
}

TEST(MatMulKernels, AttentionIsSoftmaxOfScores) {
  Random random;
  for (int round = 0; round < 30; ++round)
    for (Isa isa : isas()) {
      AttentionShape s;
      s.queries = random.range(1, 60), s.keys = random.range(1, 40), s.depth = random.range(1, 20),
      s.value_depth = random.range(1, 20);
      s.q_row = s.depth + random.range(0, 5), s.k_row = s.depth + 1, s.v_row = s.value_depth + 2,
      s.y_row = s.value_depth + 3;
      s.scale = 0.7f;
      auto q = random.floats(static_cast<size_t>(s.queries * s.q_row)),
           k = random.floats(static_cast<size_t>(s.keys * s.k_row));
      auto v = random.floats(static_cast<size_t>(s.keys * s.v_row)),
           mask = random.floats(static_cast<size_t>(s.queries * s.keys));
      bool masked = random.range(0, 1);
      const auto& kernel = matmul_kernels(isa);
      std::vector<float> y(static_cast<size_t>(s.queries * s.y_row)), scratch(kernel.attention_floats(s));
      kernel.attention(s, q.data(), k.data(), v.data(), masked ? mask.data() : nullptr, s.keys, y.data(),
                       scratch.data());
      for (int64_t i = 0; i < s.queries; ++i) {
        std::vector<double> score(static_cast<size_t>(s.keys));
        double total = 0;
        for (int64_t j = 0; j < s.keys; ++j) {
          double dot = 0;
          for (int64_t d = 0; d < s.depth; ++d)
            dot += double{q[static_cast<size_t>(i * s.q_row + d)]} * k[static_cast<size_t>(j * s.k_row + d)];
          score[static_cast<size_t>(j)] =
              std::exp(dot * 0.7 + (masked ? mask[static_cast<size_t>(i * s.keys + j)] : 0));
          total += score[static_cast<size_t>(j)];
        }
        for (int64_t d = 0; d < s.value_depth; ++d) {
          double wanted = 0;
          for (int64_t j = 0; j < s.keys; ++j)
            wanted += score[static_cast<size_t>(j)] / total * v[static_cast<size_t>(j * s.v_row + d)];
          ASSERT_NEAR(y[static_cast<size_t>(i * s.y_row + d)], wanted, 1e-4) << at(isa, random);
        }
      }
    }
}

template <class T>
void check_moves(Random& random, Isa isa) {
  MoveJob job;
  job.axes = random.range(1, 5);
  job.element_bytes = sizeof(T);
  // Strides of a permuted dense tensor, sometimes stepped or repeated.
  std::vector<int> order(static_cast<size_t>(job.axes));
  for (int i = 0; i < job.axes; ++i) order[static_cast<size_t>(i)] = i, job.dims[i] = random.pick({1, 2, 3, 4, 9, 17});
  std::shuffle(order.begin(), order.end(), random.engine);
  int64_t step = random.range(1, 2), extent = 1;
  for (int axis : order) {
    if (random.range(0, 5) == 0) continue;  // stays 0: repeats
    job.stride[axis] = step;
    extent += step * (job.dims[axis] - 1);
    step = step * job.dims[axis] * random.pick({1, 1, 2});
  }
  std::vector<T> x(static_cast<size_t>(extent)), y(static_cast<size_t>(job.count()));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(random.engine());
  MoveJob simple = simplified(job);
  ASSERT_EQ(simple.count(), job.count());
  int64_t cut = random.range(0, static_cast<int>(simple.units()));
  move_kernels(isa).move(simple, x.data(), y.data(), 0, cut);
  move_kernels(isa).move(simple, x.data(), y.data(), cut, simple.units());
  for (int64_t i = 0; i < job.count(); ++i) {
    int64_t from = 0, rest = i;
    for (int axis = job.axes; axis-- > 0; rest /= job.dims[axis]) from += rest % job.dims[axis] * job.stride[axis];
    ASSERT_EQ(y[static_cast<size_t>(i)], x[static_cast<size_t>(from)]) << at(isa, random);
  }
}

TEST(MoveKernels, AnyStrides) {
  Random random;
  for (int round = 0; round < 200; ++round)
    for (Isa isa : isas()) {
      check_moves<uint8_t>(random, isa);
      check_moves<uint16_t>(random, isa);
      check_moves<uint32_t>(random, isa);
      check_moves<uint64_t>(random, isa);
    }
}

TEST(ElementwiseKernels, AffineScalesEveryChannel) {
  Random random;
  for (int round = 0; round < 40; ++round)
    for (Isa isa : isas()) {
      AffineJob job;
      int64_t rows = random.range(1, 20);
      job.channels = random.range(1, 70);
      auto x = random.floats(static_cast<size_t>(rows * job.channels));
      auto scale = random.floats(static_cast<size_t>(job.channels)),
           bias = random.floats(static_cast<size_t>(job.channels));
      job.x.data = x.data(), job.scale = scale.data(), job.bias = bias.data();
      if (random.range(0, 1)) job.target = {DType::u8, 0.05f, 100};
      job.act = {Act::relu};
      std::vector<uint8_t> y(x.size() * 4);
      elementwise_kernels(isa).affine(job, y.data(), 0, rows);
      for (size_t i = 0; i < x.size(); ++i) {
        size_t c = i % static_cast<size_t>(job.channels);
        double wanted = std::max(0.0, double{x[i]} * scale[c] + bias[c]);
        ASSERT_TRUE(close_to(job.target.type, element(y.data(), job.target.type, i), wanted, 20, 100, 1e-5))
            << at(isa, random);
      }
    }
}

}  // namespace
}  // namespace hone::kernels
