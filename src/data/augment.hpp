#pragma once
#include "data/random.hpp"
#include "tensor/tensor.hpp"

namespace hone {

/// How a training image is varied. All strengths are half-widths: brightness 0.2 multiplies by 0.8 to 1.2.
struct AugmentOptions {
  double min_area = 0.35;    ///< crop area relative to the image, from
  double max_area = 1.0;     ///< ... to
  double min_aspect = 0.75;  ///< of the crop relative to the image's own aspect, from
  double max_aspect = 4.0 / 3;
  double flip = 0.5;           ///< probability of a left-right flip
  double vertical_flip = 0.0;  ///< probability of an upside-down flip
  double rotation = 0.0;       ///< degrees, to both sides; borders are mirrored
  double brightness = 0.25;
  double contrast = 0.25;
  double saturation = 0.25;
  double hue = 0.02;            ///< turns of the color circle, to both sides
  double erase = 0.0;           ///< probability that a rectangle is replaced by a random color
  double erase_max_area = 0.2;  ///< of the output, at most
};

/// One random variation of `image` (u8 [H, W, 3]) into `out`, which is made u8 [height, width, 3] when it is not yet:
/// random resized crop (Szegedy et al. 2015), flips, rotation, color jitter (Howard 2013; one affine map of RGB), and
/// random erasing (Zhong et al. 2017). Depends on nothing but the arguments. Throws Error on options out of range.
void augment(const Tensor& image, int height, int width, const AugmentOptions& options, Rng& rng, Tensor& out);

/// Only the colors of `image` (u8 [H, W, 3]), in place, by the four color strengths of `options`.
void jitter_colors(Tensor& image, const AugmentOptions& options, Rng& rng);

/// Throws Error naming the option that is out of range.
void validate(const AugmentOptions& options);

}  // namespace hone
