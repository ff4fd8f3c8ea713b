#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "tensor/tensor.hpp"

namespace hone {

/// Classes that can be rendered: bolt, bracket, gear, nut, spring, washer.
const std::vector<std::string>& part_classes();

struct GenerateOptions {
  int images_per_class = 300;  ///< training images; validation gets a quarter of it more (at least 1)
  int size = 160;              ///< width of an image; the height is three quarters of it
  uint64_t seed = 0;
  std::vector<std::string> classes;  ///< of part_classes(); empty: all
  int threads = 0;                   ///< 0: all processors
  Progress* progress = nullptr;      ///< one step an image
};

/// Throws Error naming the option that is out of range, or the class that does not exist.
void validate(const GenerateOptions& options, const std::vector<std::string>& classes);

/// Writes train/<class>/*.jpg and val/<class>/*.jpg: photo-like renders of mechanical parts on a bench with varied
/// pose, perspective, light, shadow, material, background, clutter, blur, noise and JPEG quality. Every image depends
/// on seed, class and number only; files are written whole, and those that are there from an earlier run with the same
/// options are kept, so an interrupted run continues. Throws Error on an unknown class, bad options or a folder that
/// holds something else.
void generate_parts_dataset(const std::filesystem::path& folder, const GenerateOptions& options = {});

/// One such picture before it is stored: u8 [size * 3 / 4, size, 3].
Tensor render_part(const std::string& part, int size, uint64_t seed);

}  // namespace hone
