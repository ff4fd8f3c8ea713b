#pragma once
#include <optional>
#include <string>
#include <vector>

#include "app/support/predictor.hpp"
#include "data/canvas.hpp"

namespace hone::app {

/// An object to draw: its box, the class that gives the color, and what stands above the box.
struct ObjectMark {
  Box box;
  int label = 0;
  std::string caption;
  std::string name = {};  ///< of the class
  std::optional<Color> color = {};  ///< instead of the class's
};

/// What is drawn on a picture.
struct Marks {
  std::vector<ObjectMark> objects;                ///< the surest first
  std::vector<std::pair<int, std::string>> lines;  ///< in the left top corner: a class (its color; -1: none) and text
  Tensor classes;                                  ///< class of each pixel, or not defined
  std::vector<std::pair<int, std::string>> legend;  ///< classes of `classes` that are colored, and their names
  std::string status;                              ///< in the right top corner ("24 FPS  11.3 ms")
};

/// "dog 93%" above each box, the `top` most probable classes as lines, classes of pixels with a legend. A class named
/// background keeps the look of the image.
Marks marks_of(const Findings& findings, const Predictor& predictor, int top);

/// How many times a picture is enlarged so that text can be read on it; 1 from 400 pixels on.
int enlargement(const ImageSize& size);

/// A copy of the image, enlarged as enlargement() says, with the marks. Text has a height that fits the picture.
Tensor draw_marks(const Tensor& image, const Marks& marks);

/// The height of text on a picture of this size, in pixels.
int text_height(const ImageSize& size);

}  // namespace hone::app
