#include "quantize/group_quant.hpp"

#include <algorithm>
#include <cmath>

#include "tensor/int4.hpp"

namespace hone {

namespace {

// The numbers of one group, `count` of them `stride` apart.
struct Group {
  const float* data;
  int64_t stride, count;
  const float* importance;  // of its first index; may be null
  float at(int64_t i) const { return data[i * stride]; }
  double weight(int64_t i) const { return importance ? static_cast<double>(importance[i]) : 1; }
};

struct Choice {
  float scale = 1;
  int zero = 0;
  double error = 0;
};

struct Levels {
  int low, high;
};

Levels levels_of(const GroupSettings& settings) {
  int half = 1 << (settings.bits - 1);
  // Symmetric codes leave out the lowest, so that w and -w are treated alike; with 4 bits that one is worth having.
  if (settings.symmetric) return {settings.bits == 8 ? -half + 1 : -half, half - 1};
  return {0, 2 * half - 1};
}

int encode(float x, float scale, int zero, Levels levels) {
  return static_cast<int>(std::clamp(std::nearbyint(x / scale) + static_cast<float>(zero),
                                     static_cast<float>(levels.low), static_cast<float>(levels.high)));
}

double error_of(const Group& group, float scale, int zero, Levels levels) {
  double sum = 0;
  for (int64_t i = 0; i < group.count; ++i) {
    float x = group.at(i), back = scale * static_cast<float>(encode(x, scale, zero, levels) - zero);
    sum += group.weight(i) * (static_cast<double>(back) - x) * (static_cast<double>(back) - x);
  }
  return sum;
}

Choice choose(const Group& group, const GroupSettings& settings, Levels levels) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < group.count; ++i) {
    low = std::min(low, group.at(i));
    high = std::max(high, group.at(i));
  }
  // The larger side gets the side with one code more.
  bool flip = settings.symmetric && settings.bits < 8 && high > -low;
  float reach = std::max(high, -low),
        codes = static_cast<float>(settings.bits < 8 && !flip ? -levels.low : levels.high);
  float full = settings.symmetric ? reach / codes : (high - low) / static_cast<float>(levels.high);
  Choice best;
  if (full < 1e-30F) return best;
  // Clipping pays with few levels only.
  int steps = settings.bits < 8 ? 8 : 1;
  for (int step = 0; step < steps; ++step) {
    float scale = full * (1 - 0.04F * static_cast<float>(step));
    int zero = settings.symmetric
                   ? 0
                   : static_cast<int>(std::clamp(std::nearbyint(-low / scale), 0.0F, static_cast<float>(levels.high)));
    double error = error_of(group, scale, zero, levels);
    if (step == 0 || error < best.error) best = {scale, zero, error};
  }
  return best;
}

DType type_of(const GroupSettings& settings) {
  if (settings.bits == 8) return settings.symmetric ? DType::i8 : DType::u8;
  return settings.symmetric ? dtype_i4 : dtype_u4;
}

}  // namespace

GroupedWeights quantize_groups(const Tensor& weights, int axis, const GroupSettings& settings,
                               const std::vector<float>& importance) {
  int64_t size = weights.dim(axis), others = weights.dim(1 - axis);
  int64_t group = settings.group < 0 ? size : std::min(settings.group, size), blocks = (size + group - 1) / group;
  bool whole = blocks == 1;
  Dims scale_dims = whole ? Dims{others} : weights.dims();
  if (!whole) scale_dims[static_cast<size_t>(axis)] = blocks;
  DType type = type_of(settings);
  GroupedWeights result{Tensor(type, weights.dims()), Tensor(DType::f32, scale_dims), Tensor(type, scale_dims)};
  const float* data = weights.data<float>().data();
  // 4-bit types take a byte an element in memory, as 8-bit ones do.
  auto* values = static_cast<uint8_t*>(result.values.mutable_raw());
  auto* zeros = static_cast<uint8_t*>(result.zeros.mutable_raw());
  float* scales = result.scales.mutable_data<float>().data();
  int64_t stride = axis == 0 ? others : 1, other_stride = axis == 0 ? 1 : size;
  Levels levels = levels_of(settings);
  for (int64_t other = 0; other < others; ++other)
    for (int64_t block = 0; block < blocks; ++block) {
      int64_t begin = block * group, count = std::min(group, size - begin);
      int64_t start = other * other_stride + begin * stride;
      Group part{data + start, stride, count, importance.empty() ? nullptr : importance.data() + begin};
      Choice choice = choose(part, settings, levels);
      int64_t at = whole ? other : axis == 0 ? block * others + other : other * blocks + block;
      scales[at] = choice.scale;
      zeros[at] = static_cast<uint8_t>(choice.zero);
      result.error += choice.error;
      for (int64_t i = 0; i < count; ++i) {
        values[start + i * stride] =
            static_cast<uint8_t>(static_cast<int8_t>(encode(part.at(i), choice.scale, choice.zero, levels)));
        if (settings.bits == 8 && !settings.symmetric)
          values[start + i * stride] = static_cast<uint8_t>(encode(part.at(i), choice.scale, choice.zero, levels));
        result.signal += part.weight(i) * static_cast<double>(part.at(i)) * part.at(i);
      }
    }
  return result;
}

}  // namespace hone
