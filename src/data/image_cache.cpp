#include "data/image_cache.hpp"

#include <mutex>
#include <string>
#include <unordered_map>

namespace hone {

struct ImageCache::State {
  CacheOptions options;
  mutable std::mutex mutex;
  std::unordered_map<std::string, Tensor> images;
  int64_t bytes = 0;
};

ImageCache::ImageCache(CacheOptions options) : state_(std::make_unique<State>()) { state_->options = options; }
ImageCache::~ImageCache() = default;

Tensor ImageCache::load(const std::filesystem::path& path) {
  return load(path.native(), [&] {
    const CacheOptions& options = state_->options;
    if (options.exact_height > 0 && options.exact_width > 0)
      return resize_image(decode_image(path), options.exact_height, options.exact_width);
    return decode_image_shrunk(path, options.short_side);
  });
}

Tensor ImageCache::load(const std::string& name, const std::function<Tensor()>& make) {
  {
    std::lock_guard lock(state_->mutex);
    auto found = state_->images.find(name);
    if (found != state_->images.end()) return found->second;
  }
  Tensor image = make();
  auto size = static_cast<int64_t>(image.bytes());
  std::lock_guard lock(state_->mutex);
  if (state_->bytes + size <= state_->options.byte_limit && state_->images.emplace(name, image).second)
    state_->bytes += size;
  return image;
}

int64_t ImageCache::bytes() const {
  std::lock_guard lock(state_->mutex);
  return state_->bytes;
}

int64_t ImageCache::images() const {
  std::lock_guard lock(state_->mutex);
  return static_cast<int64_t>(state_->images.size());
}

const CacheOptions& ImageCache::options() const { return state_->options; }

}  // namespace hone
