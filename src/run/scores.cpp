#include "run/scores.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace hone {

int class_count(const Port& output) {
  const Shape& shape = output.shape;
  bool row = output.dtype == DType::f32 && shape.rank() >= 2 && shape[1].known();
  for (int i = 2; row && i < shape.rank(); ++i) row = shape[static_cast<size_t>(i)] == Dim(1);
  if (!row)
    throw Error("output '" + output.name + "'", "is " + std::string(name_of(output.dtype)) + to_string(shape) +
                                                    ", expected f32[N, classes] of a classifier");
  return static_cast<int>(shape[1].value);
}

std::vector<float> to_probabilities(std::span<const float> scores) {
  std::vector<float> result(scores.begin(), scores.end());
  if (result.empty()) return result;
  double sum = 0;
  bool nonnegative = true;
  for (float score : scores) {
    sum += score;
    nonnegative = nonnegative && score >= 0;
  }
  // Probabilities that went through 8 bits do not add up to exactly 1.
  if (nonnegative && std::abs(sum - 1) < 0.02) return result;
  float most = *std::max_element(result.begin(), result.end());
  double total = 0;
  for (float& value : result) total += value = std::exp(value - most);
  for (float& value : result) value = static_cast<float>(value / total);
  return result;
}

}  // namespace hone
