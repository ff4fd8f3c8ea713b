#pragma once
#include "data/dataset.hpp"

namespace hone {

/// A picture of the sample with its annotation drawn: boxes with class names, masks in the color of their class. The
/// longer side is at most `longest`. Throws Error as image_of and read_mask do.
Tensor draw_annotation(const Sample& sample, const Dataset& dataset, int longest = 480);

/// The color of a class, RGB; neighbors in the list differ clearly.
std::array<uint8_t, 3> class_color(int label);

}  // namespace hone
