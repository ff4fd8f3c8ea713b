#pragma once
#include <span>
#include <vector>

#include "plan/plan.hpp"

/// What the first output of an image classifier says.
namespace hone {

/// Classes of a classifier with this output: f32 [N, classes], further sizes 1. Throws Error for any other.
int class_count(const Port& output);

/// A probability for each class: scores that already are probabilities stay, others go through softmax.
std::vector<float> to_probabilities(std::span<const float> scores);

}  // namespace hone
