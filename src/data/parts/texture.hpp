#pragma once
#include <opencv2/core.hpp>

#include "data/parts/vec.hpp"
#include "data/random.hpp"

namespace hone::parts {

/// A tileable-by-mirroring picture of a bench surface, linear light, CV_32FC3.
cv::Mat random_surface(Rng& rng);
/// Linear interpolation at (u, v) in units of the texture's size, mirrored outside.
Vec3 sample_surface(const cv::Mat& texture, float u, float v);
/// Smooth noise, -1 to 1, with features of size 1.
float noise(Vec3 p, uint32_t seed);
/// A color of a wide range, linear light.
Vec3 random_color(Rng& rng, double saturation, double darkest, double brightest);

}  // namespace hone::parts
