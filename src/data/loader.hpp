#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "data/augment.hpp"
#include "data/augment/scene.hpp"
#include "data/dataset.hpp"
#include "data/image_cache.hpp"

namespace hone {

struct Batch {
  Tensor images;             ///< u8 [N, height, width, 3]
  std::vector<int> labels;   ///< N
  std::vector<int> indices;  ///< N indices into Dataset::samples
  std::vector<std::vector<Annotation>> objects;  ///< N, in pixels of the batch's images; with LoaderOptions::scene
  Tensor masks;  ///< u8 [N, height, width], mask_ignore where no class is; with scene and masks
  /// N: where each sample's image lies in the batch's, to bring answers back; nullopt for a mosaic. With scene.
  std::vector<std::optional<Placement>> placements;
  int64_t epoch = 0;
  int64_t number = 0;  ///< within the epoch, from 0
};

struct LoaderOptions {
  int batch_size = 32;
  int height = 0;  ///< of the images in a batch; required
  int width = 0;
  std::optional<AugmentOptions> augment;  ///< none: resize_image of the whole image
  std::optional<SceneOptions> scene;      ///< images with their objects and masks, instead of `augment`
  bool shuffle = false;
  bool balanced =
      false;  ///< every class equally often (implies shuffle); each image of a class as often as another, within 1
  bool drop_last = false;  ///< leave out the last, smaller batch, unless it is the only one
  uint64_t seed = 0;
  int threads = 0;                         ///< worker threads; 0: one per processor
  int prefetch = 4;                        ///< batches prepared ahead
  int64_t cache_bytes = int64_t{1} << 30;  ///< for decoded images; 0: no cache
  /// An unreadable image is replaced by the next readable one of its class and counted; otherwise it is an Error.
  bool replace_unreadable = true;
  /// Which rows [first, last) of a batch of so many images are prepared here; images, masks and labels of the others
  /// are undefined. None: all. For processes that share a batch.
  std::function<std::pair<int64_t, int64_t>(int64_t images)> rows;
};

/// The cache options that a loader with these options uses: exact images without augmentation, else images shrunk so
/// that the average random crop still has the size of the output. For a cache that check_images fills beforehand.
CacheOptions cache_options(const LoaderOptions& options);

/// Prepares batches on worker threads. Order and content depend on dataset, options and epoch only, never on the
/// number of threads, the cache or where the epoch was entered.
///   loader.start(epoch, batch);
///   while (auto batch = loader.next()) ...
class BatchLoader {
 public:
  /// Throws Error for an empty dataset or options out of range. `cache` may be shared with check_images; it must have
  /// the cache_options() of these options.
  BatchLoader(Dataset dataset, LoaderOptions options, std::shared_ptr<ImageCache> cache = nullptr);
  ~BatchLoader();  ///< stops the workers; waits at most for the images in work
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  const Dataset& dataset() const;
  const LoaderOptions& options() const;
  int64_t samples_per_epoch() const;  ///< after drop_last
  int64_t batches_per_epoch() const;
  /// The sample indices of an epoch in their order, before unreadable images are replaced.
  std::vector<int> epoch_order(int64_t epoch) const;

  /// The next batch will be number `batch` (from 0) of `epoch`. A new loader stands at (0, 0); after the end of an
  /// epoch it stands at the start of the next.
  void start(int64_t epoch, int64_t batch = 0);
  /// The next batch; nullopt once at the end of each epoch. Rethrows what a worker threw; throws Interrupted on Ctrl-C.
  std::optional<Batch> next();

  /// Images that could not be read so far, each once, sorted by path.
  std::vector<Skipped> unreadable() const;
  /// How many samples of the delivered batches were replaced because of those.
  int64_t replaced() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hone
