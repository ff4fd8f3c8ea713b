#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "data/image.hpp"

namespace hone {

struct CacheOptions {
  int64_t byte_limit = int64_t{1} << 30;  ///< decoded bytes kept; images beyond it are decoded each time
  /// An image with a longer short side is shrunk to this on load; 0 keeps every image as it is.
  int short_side = 0;
  /// When both are positive, the image is stored as resize_image(decode_image(path), exact_height, exact_width) and
  /// short_side is not used.
  int exact_height = 0;
  int exact_width = 0;
};

/// Decoded images by path, shared by threads. What load() returns does not depend on what is cached. Nothing is
/// evicted: epochs visit all images, where keeping the first ones is as good as any other choice.
class ImageCache {
 public:
  explicit ImageCache(CacheOptions options);
  ~ImageCache();
  ImageCache(const ImageCache&) = delete;
  ImageCache& operator=(const ImageCache&) = delete;

  /// u8 [H, W, 3]; not to be written. Throws Error as decode_image does. Thread-safe.
  Tensor load(const std::filesystem::path& path);
  /// Something else under a name of its own, such as a mask: what `make` gives, or what it gave before.
  Tensor load(const std::string& name, const std::function<Tensor()>& make);
  int64_t bytes() const;   ///< decoded bytes kept now
  int64_t images() const;  ///< images kept now
  const CacheOptions& options() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hone
