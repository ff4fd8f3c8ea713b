#pragma once
#include <optional>

#include "app/support/detectors/decoder.hpp"
#include "devices/devices.hpp"
#include "run/session.hpp"

namespace hone::app {

/// The class of the largest score of each pixel of f32 [1, C, H, W]: u8 [H, W]. Throws Error for other sizes.
Tensor best_classes(const Tensor& scores);

/// The class of each pixel of an image, by a segmenter with its preprocessing inside or one with a known input rule.
class Segmenter {
 public:
  /// `rule` is not used by a model that takes images. Throws Error for a model that leaves the network's size open.
  Segmenter(const Graph& model, const InputRule& rule, const DeviceOptions& device);
  /// Of u8 [H, W, 3]: u8 [H, W], the class of the largest score at the network's size, nearest.
  Tensor classes_of(const Tensor& image);

 private:
  Tensor input_of(const Tensor& image);

  InputRule rule_;
  ImageSize size_;
  bool takes_images_;
  std::optional<Session> prepare_, network_;
};

}  // namespace hone::app
