#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/image.hpp"
#include "devices/devices.hpp"
#include "graph/graph.hpp"
#include "graph/preprocess.hpp"

namespace CLI {
class App;
}

namespace hone::app {

/// --threads and --device. All of these options throw UsageError for values that make no sense.
struct DeviceFlags {
  int threads = 0;
  std::string device = "cpu";
  std::vector<std::string> disabled_passes, disabled_kernels;
  std::string autotune = "on", cache_dir;

  void add(CLI::App& app);
  DeviceOptions options() const;
};

/// How an image becomes the input of a plain model, one that takes f32 [N, 3, height, width]; for models with their own
/// preprocessing these options are refused.
struct ImageFlags {
  std::string mean, std, scale, channels, resize, labels;

  void add(CLI::App& app);
  /// The name of the first preprocessing option that was given, or empty.
  std::string given() const;
  /// The preprocessing for `model`, whose fixed input size is used unless --resize gives one: y = (x - mean) / std with
  /// x in 0..255, channels counted after a swap to BGR, --scale s being --std 1/s. No low-pass filter when shrinking.
  Preprocess preprocess(const Graph& model) const;
  /// True when `model` takes u8 images. Throws UsageError when options were given for such a model.
  bool ready_for_images(const Graph& model) const;
  /// Lines of the file --labels, else the labels in the model; may be empty.
  std::vector<std::string> class_names(const Graph& model) const;
};

/// "224" or "192x256" (height x width).
ImageSize parse_size(const std::string& option, const std::string& text);

}  // namespace hone::app
