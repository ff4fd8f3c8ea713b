#pragma once
#include <filesystem>

#include "data/dataset.hpp"

namespace hone {

/// The values of a mask file: u8 [H, W] for gray (1 to 8 bits, not stretched) and palette images (the palette index),
/// u8 [H, W, 3] RGB for colored ones whose channels differ. Throws Error as decode_image does, and for values above
/// 255.
Tensor read_mask_values(const std::filesystem::path& path);

/// Class indices u8 [H, W], mask_ignore where there is none. Colors that belong to no class count as ignored.
Tensor read_mask(const std::filesystem::path& path, const MaskCoding& coding);

/// Nearest, u8 [H, W]; the same tensor when the size fits.
Tensor resize_mask(const Tensor& mask, int height, int width);

}  // namespace hone
