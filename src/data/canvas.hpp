#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "data/annotation.hpp"
#include "data/image.hpp"

/// Drawing on images u8 [H, W, 3]. Whatever lies outside the image is cut off.
namespace hone {

using Color = std::array<uint8_t, 3>;  ///< RGB

/// `opacity` 0..1.
void fill_box(Tensor& image, const Box& box, Color color, double opacity = 1);
/// Lines inside the box.
void outline_box(Tensor& image, const Box& box, Color color, int thickness);

/// Width and height that text of this height (top of letters to below the line) takes, in pixels.
ImageSize text_size(const std::string& text, int height);
/// Antialiased; x and y are the left top corner. Letters beyond ASCII lose their accents, or become '?'.
void draw_text(Tensor& image, const std::string& text, int x, int y, int height, Color color);
/// Black or white, what reads better on the color.
Color text_color(Color background);

/// Mixes the color into the pixels whose class is `value`; classes is u8 [H, W].
void tint(Tensor& image, const Tensor& classes, uint8_t value, Color color, double opacity);
/// Draws a line along the borders between classes of a u8 [H, W] map.
void outline_classes(Tensor& image, const Tensor& classes, Color color);

/// A map f32 [h, w] with values 0..1, smoothed to the size of the image, from blue (low) over yellow to red (high);
/// what is low stays the image.
void overlay_heat(Tensor& image, const Tensor& map, double opacity = 0.6);

/// The part of the image inside the box, at least one pixel.
Tensor crop_image(const Tensor& image, const Box& box);

}  // namespace hone
