#pragma once
#include <string>

#include "tensor/tensor.hpp"

namespace hone::app {

/// A window on the screen, where there is one.
class Window {
 public:
  /// Why no window can be opened ("there is no display: ..."), or empty. A child process tries it: the window library
  /// ends the process when the display does not answer. Call it before threads are started.
  static std::string obstacle();

  explicit Window(std::string title);
  ~Window();
  /// Shows the picture for at least `milliseconds` (0: until a key). False when the user closed the window or pressed q
  /// or Esc.
  bool show(const Tensor& picture, int milliseconds);

 private:
  std::string title_;
};

}  // namespace hone::app
