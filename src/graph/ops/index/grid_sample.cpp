#include "graph/ops/index/grid_sample.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "graph/ops/nn/compute.hpp"
#include "graph/ops/nn/conv_shared.hpp"
#include "graph/ops/shape/sizes.hpp"

namespace hone::ops {

OpSpec GridSample::spec() const {
  return {.min_inputs = 2, .max_inputs = 2, .summary = "y = x at the points of a grid"};
}

void GridSample::attributes(AttributeVisitor& visitor) {
  visitor.field("align_corners", align_corners);
  visitor.field("mode", mode);
  visitor.field("padding_mode", padding_mode);
}

namespace {

template <class Context>
void check_modes(Context& context, const GridSample& op) {
  bool known = op.mode == "linear" || op.mode == "bilinear" || op.mode == "nearest" || op.mode == "cubic" ||
               op.mode == "bicubic";
  if (!known) context.fail("mode is '" + op.mode + "', expected linear, nearest or cubic");
  if (op.padding_mode != "zeros" && op.padding_mode != "border" && op.padding_mode != "reflection")
    context.fail("padding_mode is '" + op.padding_mode + "', expected zeros, border or reflection");
}
template <class Context>
void check_shapes(Context& context, const Shape& x, const Shape& grid) {
  bool fits = (x.rank() == 4 || x.rank() == 5) && grid.rank() == x.rank();
  if (fits) {
    const Dim& last = grid.dims.back();
    fits = (!last.known() || last.value == x.rank() - 2) && (!x[0].known() || !grid[0].known() || x[0] == grid[0]);
  }
  if (!fits)
    context.fail(fmt::format("input {} and grid {} do not fit, expected [N, C, H, W] and [N, height, width, 2]",
                             to_string(x), to_string(grid)));
}

double reflect(double at, double low, double high) {
  double range = high - low;
  if (range <= 0) return low;
  double distance = std::fmod(std::abs(at - low), 2 * range);
  return distance > range ? high - (distance - range) : low + distance;
}

double cubic(double x) {
  constexpr double a = -0.75;
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

template <class T>
double value_at(const T* x, const std::array<int64_t, 3>& size, const std::array<GridSample::Taps, 3>& taps) {
  double sum = 0;
  for (size_t d = 0; d < static_cast<size_t>(taps[0].count); ++d)
    for (size_t h = 0; h < static_cast<size_t>(taps[1].count); ++h)
      for (size_t w = 0; w < static_cast<size_t>(taps[2].count); ++w) {
        double weight = taps[0].weight[d] * taps[1].weight[h] * taps[2].weight[w];
        int64_t row = taps[0].index[d] * size[1] + taps[1].index[h];
        if (weight != 0) sum += weight * static_cast<double>(x[row * size[2] + taps[2].index[w]]);
      }
  return sum;
}

}  // namespace

void GridSample::infer(InferContext& context) const {
  const Shape &x = context.shape(0), &grid = context.shape(1);
  check_modes(context, *this);
  if (!x.ranked || !grid.ranked)
    return context.set_output(0, context.dtype(0), x.ranked ? unknown_sizes(x.rank()) : x);
  check_shapes(context, x, grid);
  Shape result{x[0], x[1]};
  result.dims.insert(result.dims.end(), grid.dims.begin() + 1, grid.dims.end() - 1);
  context.set_output(0, context.dtype(0), result);
}

void GridSample::evaluate(EvalContext& context) const {
  const Tensor &x = context.in(0), &grid = context.in(1);
  check_modes(context, *this);
  check_shapes(context, Shape(x.dims()), Shape(grid.dims()));
  Dims dims{x.dim(0), x.dim(1)};
  dims.insert(dims.end(), grid.dims().begin() + 1, grid.dims().end() - 1);
  if (x.size() == 0 && element_count(dims) > 0)
    context.fail("input has shape " + to_string(x.dims()) + ", nothing to sample");
  check_allocation(context.place(), x.dtype(), dims);
  auto run = [&]<class T>(T) {
    Tensor wide = input_as<T>(context, 0), points = input_as<T>(context, 1);
    output_as<T>(context, 0, x.dtype(), dims,
                 [&](T* y) { sample(pointer<T>(wide), pointer<T>(points), x.dims(), dims, y); });
  };
  if (x.dtype() == DType::string) context.fail("cannot sample strings");
  // Integers are sampled as numbers, and what lies between them is truncated.
  if (is_float(x.dtype())) with_float(context, x.dtype(), run);
  else run(double{});
}

GridSample::Taps GridSample::taps_at(double point, int64_t size) const {
  auto length = static_cast<double>(size);
  double at = align_corners ? (point + 1) / 2 * (length - 1) : ((point + 1) * length - 1) / 2;
  double low = align_corners ? 0 : -0.5, high = align_corners ? length - 1 : length - 0.5;
  at = std::isnan(at) ? -2 : std::clamp(at, -1e9, 1e9);
  if (mode == "nearest") at = std::nearbyint(at);
  if (at < low || at > high) {
    // Each of the four elements of cubic interpolation is held inside by itself, as in PyTorch and ONNX Runtime.
    bool cubic_taps = mode == "cubic" || mode == "bicubic";
    if (padding_mode == "border" && !cubic_taps) at = std::clamp(at, 0.0, length - 1);
    if (padding_mode == "reflection") at = reflect(at, low, high);
  }
  Taps taps;
  if (mode == "nearest") {
    add(taps, static_cast<int64_t>(std::nearbyint(at)), 1, size, low, high);
    return taps;
  }
  auto base = static_cast<int64_t>(std::floor(at));
  double ratio = at - static_cast<double>(base);
  if (mode == "linear" || mode == "bilinear") {
    add(taps, base, 1 - ratio, size, low, high);
    add(taps, base + 1, ratio, size, low, high);
    return taps;
  }
  for (int64_t k = -1; k <= 2; ++k)
    add(taps, base + k, cubic(std::abs(static_cast<double>(k) - ratio)), size, low, high);
  return taps;
}

void GridSample::add(Taps& taps, int64_t at, double weight, int64_t size, double low, double high) const {
  if (at < 0 || at >= size) {
    if (padding_mode == "zeros") weight = 0;
    if (padding_mode == "reflection") at = static_cast<int64_t>(reflect(static_cast<double>(at), low, high));
    at = std::clamp<int64_t>(at, 0, size - 1);
  }
  auto k = static_cast<size_t>(taps.count++);
  taps.index[k] = at;
  taps.weight[k] = weight;
}

template <class T>
void GridSample::sample(const T* x, const T* grid, const Dims& input, const Dims& output, T* y) const {
  std::array<int64_t, 3> size = triple({input.begin() + 2, input.end()}, 1);
  int64_t plane = size[0] * size[1] * size[2], channels = input[1];
  int64_t points = element_count({output.begin() + 2, output.end()});
  auto rank = static_cast<size_t>(input.size() - 2);
  for (int64_t n = 0; n < output[0]; ++n)
    for (int64_t p = 0; p < points; ++p, grid += rank) {
      std::array<Taps, 3> taps;
      taps.fill({1, {0}, {1}});
      for (size_t i = 0; i < rank; ++i) taps[2 - i] = taps_at(static_cast<double>(grid[i]), size[2 - i]);
      for (int64_t c = 0; c < channels; ++c)
        y[(n * channels + c) * points + p] = static_cast<T>(value_at(x + (n * channels + c) * plane, size, taps));
    }
}

HONE_DEFINE_OP(GridSample)

}  // namespace hone::ops
