#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <hone/export.hpp>
#include <hone/model.hpp>
#include <hone/tensor.hpp>

HONE_NAMESPACE_BEGIN

enum class PixelFormat { rgb, bgr, rgba, bgra, gray };

/// A decoded image in your memory: 8 bits a channel, channels interleaved, rows from the top.
struct ImageView {
  const uint8_t* data = nullptr;
  int height = 0, width = 0;
  PixelFormat format = PixelFormat::rgb;
  size_t stride = 0;  ///< bytes from row to row; 0: rows follow each other
};

/// The image as an input of a model that takes images: u8 [1, height, width, 3], RGB. A packed RGB image is not copied
/// and must outlive the tensor. Throws Error for sizes or a stride that make no sense.
HONE_API Tensor image_tensor(const ImageView& image);

/// How an image becomes the input of a plain model, one that takes f32 [N, 3, height, width]: resize to height x width
/// (not keeping the aspect), optional swap to BGR, then (x - mean[c]) / std[c] with x in 0..255, c counted after the
/// swap.
struct Preprocess {
  int height = 0, width = 0;  ///< 0: the sizes that the model has
  std::array<float, 3> mean{0, 0, 0}, std{1, 1, 1};
  bool bgr = false;
  bool antialias = false;  ///< low-pass filter when shrinking
};

struct ClassifierOptions {
  ModelOptions model;
  std::optional<Preprocess> preprocess;  ///< needed for a plain model, refused for one that takes images as they are
  std::vector<std::string> labels;       ///< instead of those in the file
};

struct ClassScore {
  int index = 0;
  float probability = 0;
  std::string label;  ///< "class 17" when the model has no labels
};

/// An image classifier: images of any size in, class probabilities out. In use by one thread at a time.
class HONE_API Classifier {
 public:
  /// Throws Error when the file is no classifier: its first output must be one row of scores an image.
  explicit Classifier(const std::filesystem::path& file, const ClassifierOptions& options = {});
  ~Classifier();
  Classifier(Classifier&&) noexcept;
  Classifier& operator=(Classifier&&) noexcept;

  int classes() const noexcept;
  const std::vector<std::string>& labels() const noexcept;  ///< may be empty

  /// The `top` most probable classes, best first. Scores that are no probabilities go through softmax.
  std::vector<ClassScore> classify(const ImageView& image, int top = 5);
  /// One inference for all images (one each where the model has a fixed batch of 1).
  std::vector<std::vector<ClassScore>> classify(std::span<const ImageView> images, int top = 5);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

HONE_NAMESPACE_END
