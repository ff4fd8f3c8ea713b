#include "train/segmentation/pixel_loss.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

// One version of the loops an instruction set; the fitting one is chosen when the program is loaded.
#if defined(__x86_64__)
#define HONE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HONE_CLONES
#endif

namespace hone {

namespace {

constexpr int64_t block = 32;  ///< pixels side by side, so that loops run over them and not over a handful of classes

/// values[c][i] becomes exp(values[c][i] - max over c), sums[i] their sum and shift[i] the maximum. exp(x) = 2^n * 2^f
/// with a polynomial for 2^f (Cephes), within 1e-7.
HONE_CLONES void exponentials(float* __restrict values, int64_t classes, float* __restrict shift,
                              float* __restrict sums) {
  for (int64_t i = 0; i < block; ++i) shift[i] = values[i], sums[i] = 0;
  for (int64_t c = 1; c < classes; ++c)
    for (int64_t i = 0; i < block; ++i) shift[i] = std::max(shift[i], values[c * block + i]);
  for (int64_t c = 0; c < classes; ++c)
    for (int64_t i = 0; i < block; ++i) {
      float x = values[c * block + i] - shift[i];
      x = x < -87.0f ? -87.0f : x;
      float n = std::floor(x * 1.44269504f + 0.5f);
      float f = x - n * 0.693359375f + n * 2.12194440e-4f;
      float p = 1.9875691500e-4f;
      p = p * f + 1.3981999507e-3f;
      p = p * f + 8.3334519073e-3f;
      p = p * f + 4.1665795894e-2f;
      p = p * f + 1.6666665459e-1f;
      p = p * f + 5.0000001201e-1f;
      p = p * f * f + f + 1.0f;
      p *= std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
      values[c * block + i] = p;
      sums[i] += p;
    }
}

/// sums[i] += sum over c of values[c][i] * factors[c]
HONE_CLONES void add_products(const float* __restrict values, int64_t classes, const float* __restrict factors,
                              float* __restrict sums) {
  for (int64_t c = 0; c < classes; ++c)
    for (int64_t i = 0; i < block; ++i) sums[i] += values[c * block + i] * factors[c];
}

HONE_CLONES void scale_columns(float* __restrict values, int64_t classes, const float* __restrict scale) {
  for (int64_t c = 0; c < classes; ++c)
    for (int64_t i = 0; i < block; ++i) values[c * block + i] *= scale[i];
}

/// values[c][i] *= scale[i] + valid[i] * factors[c]
HONE_CLONES void scale_block(float* __restrict values, int64_t classes, const float* __restrict scale,
                             const float* __restrict valid, const float* __restrict factors) {
  for (int64_t c = 0; c < classes; ++c)
    for (int64_t i = 0; i < block; ++i) values[c * block + i] *= scale[i] + valid[i] * factors[c];
}

/// Up to 32 rows, their probabilities class by class.
class Block {
 public:
  explicit Block(int64_t classes) : classes_(classes), p_(static_cast<size_t>(classes * block), 0.0f) {}

  void load(const float* rows, const uint8_t* targets, int64_t used) {
    rows_ = rows, targets_ = targets;
    for (int64_t i = 0; i < used; ++i)
      for (int64_t c = 0; c < classes_; ++c) at(c, i) = rows[i * classes_ + c];
    exponentials(p_.data(), classes_, shift_, sums_);
    float inverse[block];
    for (int64_t i = 0; i < block; ++i) {
      valid_[i] = i < used && targets[i] < classes_ ? 1.0f : 0.0f;
      inverse[i] = 1 / sums_[i];
    }
    scale_columns(p_.data(), classes_, inverse);
  }

  float& at(int64_t c, int64_t i) { return p_[static_cast<size_t>(c * block + i)]; }
  float* data() { return p_.data(); }
  const float* valid() const { return valid_; }
  bool counts(int64_t i) const { return valid_[i] > 0; }
  double log_loss(int64_t i) const { return std::log(sums_[i]) + shift_[i] - rows_[i * classes_ + targets_[i]]; }

 private:
  int64_t classes_;
  std::vector<float> p_;
  const float* rows_ = nullptr;
  const uint8_t* targets_ = nullptr;
  float shift_[block], sums_[block], valid_[block];
};

/// The derivative of the Dice loss by probability p of class c is per_pixel[c], less right[c] where c is the target.
struct DiceTerms {
  double loss = 0;
  std::vector<float> per_pixel, right;

  DiceTerms(const float* scores, const uint8_t* targets, int64_t count, int64_t classes, double factor, PartSum& parts)
      : per_pixel(static_cast<size_t>(classes), 0.0f), right(static_cast<size_t>(classes), 0.0f) {
    if (factor == 0) return;
    // Of each class: predicted, right, true; and one for each part.
    std::vector<double> sums(3 * right.size() + 1, 0);
    double *predicted = sums.data(), *both = predicted + classes, *truth = both + classes;
    sums.back() = 1;
    Block rows(classes);
    for (int64_t first = 0; first < count; first += block) {
      rows.load(scores + first * classes, targets + first, std::min(block, count - first));
      for (int64_t c = 0; c < classes; ++c) {
        float sum = 0;
        for (int64_t i = 0; i < block; ++i) sum += rows.at(c, i) * rows.valid()[i];
        predicted[c] += sum;
      }
      for (int64_t i = 0; i < block; ++i)
        if (rows.counts(i)) both[targets[first + i]] += rows.at(targets[first + i], i), truth[targets[first + i]] += 1;
    }
    parts.sum(sums);
    auto present = static_cast<double>(std::count_if(truth, truth + classes, [](double t) { return t > 0; }));
    if (present == 0) return;
    loss = factor;
    for (size_t c = 0; c < right.size(); ++c) {
      if (truth[c] == 0) continue;
      double above = 2 * both[c] + 1, below = predicted[c] + truth[c] + 1;
      loss -= factor / present * above / below;
      per_pixel[c] = static_cast<float>(factor / present * above / (below * below));
      right[c] = static_cast<float>(factor / present * 2 / below);
    }
    loss /= sums.back();
  }
};

}  // namespace

double pixel_loss(const float* scores, const uint8_t* targets, int64_t count, int64_t classes, const PixelLoss& loss,
                  float* gradient) {
  DiceTerms dice(scores, targets, count, classes, loss.dice, *loss.parts);
  Block rows(classes);
  double sum = 0;
  for (int64_t first = 0; first < count; first += block) {
    int64_t used = std::min(block, count - first);
    rows.load(scores + first * classes, targets + first, used);
    // With g the gradient by the probabilities, that by the scores is p * (g - sum of p * g).
    float scale[block] = {}, spread[block] = {}, target_part[block] = {};
    add_products(rows.data(), classes, dice.per_pixel.data(), spread);
    for (int64_t i = 0; i < used; ++i) {
      if (!rows.counts(i)) continue;
      uint8_t target = targets[first + i];
      float weight = loss.weights[target], dice_part = rows.at(target, i) * dice.right[target];
      sum += weight * rows.log_loss(i);
      auto entropy_part = static_cast<float>(loss.cross_entropy * weight);
      scale[i] = entropy_part - spread[i] + dice_part;
      target_part[i] = entropy_part + dice_part;
    }
    if (!gradient) continue;
    scale_block(rows.data(), classes, scale, rows.valid(), dice.per_pixel.data());
    float* out = gradient + first * classes;
    for (int64_t i = 0; i < used; ++i) {
      for (int64_t c = 0; c < classes; ++c) out[i * classes + c] = rows.at(c, i);
      if (rows.counts(i)) out[i * classes + targets[first + i]] -= target_part[i];
    }
  }
  return loss.cross_entropy * sum + dice.loss;
}

}  // namespace hone
