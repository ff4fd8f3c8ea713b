#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.hpp"

namespace hone {

struct ClassScore {
  double precision = 0;  ///< 0 when the class was never predicted
  double recall = 0;     ///< 0 when the class never occurs
  double f1 = 0;
  int64_t support = 0;  ///< samples of the class
};

/// counts[truth][predicted].
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int classes);
  /// Throws Error when an index is not a class.
  void add(int truth, int predicted, int64_t count = 1);
  int classes() const { return classes_; }
  int64_t at(int truth, int predicted) const;
  int64_t total() const;
  double accuracy() const;           ///< 0..1; 0 when empty
  double balanced_accuracy() const;  ///< mean recall over the classes that occur
  double macro_f1() const;           ///< mean F1 over the classes that occur
  std::vector<ClassScore> per_class() const;

 private:
  int classes_;
  std::vector<int64_t> counts_;
};

/// Probabilities; stable for large values.
std::vector<float> softmax(std::span<const float> logits);
/// Row by row of f32 [N, C].
Tensor softmax(const Tensor& logits);
/// Index of the largest value (the first of equals; NaN counts as lowest); -1 when empty.
int argmax(std::span<const float> values);
/// Indices of the k largest values, best first (the lower index first among equals).
std::vector<int> top_k(std::span<const float> values, int k);

/// The functions below take scores f32 [N, C] (more axes of size 1 are allowed) and throw Error on other shapes.
/// Fraction of rows whose label is among the k best.
double top_k_accuracy(const Tensor& scores, std::span<const int> labels, int k);
ConfusionMatrix confusion_matrix(const Tensor& scores, std::span<const int> labels);
/// Fraction of rows with the same top-1.
double agreement(const Tensor& a, const Tensor& b);

/// Signal to quantization noise in dB: 10 log10(sum ref^2 / sum (ref - test)^2); infinite when equal.
double sqnr_db(std::span<const float> reference, std::span<const float> test);
double sqnr_db(const Tensor& reference, const Tensor& test);  ///< f32, same shape

}  // namespace hone
