#include "data/loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>

#include "base/error.hpp"
#include "base/interrupt.hpp"
#include "data/mask_file.hpp"
#include "data/names.hpp"
#include "data/workers.hpp"

namespace hone {

namespace {
/// Streams of random numbers that must not meet.
constexpr uint64_t order_stream = 0x6F72646572;
constexpr uint64_t augment_stream = 0x6175676D656E74;
constexpr uint64_t size_stream = 0x73697A65;

/// A batch in work. Workers claim its samples one by one; the mutex of the loader guards all but the pixels.
struct Slot {
  Batch batch;
  std::vector<int> order;  ///< the sample wanted at each place
  size_t claimed = 0, last = 0;  ///< the next row to prepare, and the end of those
  size_t unfinished = 0;
  int64_t replaced = 0;
  std::exception_ptr error;
};

/// Every class equally often, within one; inside a class every image equally often, within one.
std::vector<int> balanced_draw(const Dataset& dataset, Rng& rng) {
  std::vector<std::vector<int>> members(dataset.classes.size());
  for (size_t i = 0; i < dataset.samples.size(); ++i)
    members[static_cast<size_t>(dataset.samples[i].label)].push_back(static_cast<int>(i));
  std::erase_if(members, [](const std::vector<int>& images) { return images.empty(); });
  rng.shuffle(std::span<std::vector<int>>(members));  // which classes get one more varies
  std::vector<int> drawn;
  size_t total = dataset.samples.size();
  for (size_t c = 0; c < members.size(); ++c) {
    size_t quota = total / members.size() + (c < total % members.size() ? 1 : 0);
    std::vector<int>& images = members[c];
    for (; quota > 0; quota -= std::min(quota, images.size())) {
      rng.shuffle(std::span<int>(images));
      drawn.insert(drawn.end(), images.begin(),
                   images.begin() + static_cast<std::ptrdiff_t>(std::min(quota, images.size())));
    }
  }
  return drawn;
}

void validate(const Dataset& dataset, const LoaderOptions& options) {
  if (dataset.samples.empty()) throw Error("loader", "the dataset has no images");
  auto require = [](const char* name, int64_t value, int64_t fewest, int64_t most) {
    if (value < fewest || value > most)
      throw Error("loader", fmt::format("{} is {}, expected {} to {}", name, value, fewest, most));
  };
  require("batch_size", options.batch_size, 1, 1 << 20);
  require("height", options.height, 1, 1 << 15);
  require("width", options.width, 1, 1 << 15);
  require("prefetch", options.prefetch, 1, 1 << 16);
  require("threads", options.threads, 0, 1024);
  if (options.augment) validate(*options.augment);
  if (options.scene) validate(*options.scene);
  auto classes = static_cast<int>(dataset.classes.size());
  for (const Sample& sample : dataset.samples)
    if (options.balanced && (sample.label < 0 || sample.label >= classes))
      throw Error("loader", fmt::format("{} has label {}, balanced sampling needs 0 to {}", quoted(sample.path),
                                        sample.label, classes - 1));
}
}  // namespace

struct BatchLoader::State {
  Dataset dataset;
  LoaderOptions options;
  std::shared_ptr<ImageCache> cache;
  bool has_masks = false;  // all samples have a mask file

  mutable std::mutex mutex;
  std::condition_variable work;             // a sample can be claimed, or stop
  std::condition_variable ready;            // a slot is finished
  std::deque<std::shared_ptr<Slot>> slots;  // consecutive batches; the front one is delivered next
  int64_t epoch = 0, number = 0;            // of the batch that is delivered next
  int64_t tail_epoch = 0, tail_number = 0;  // of the slot that is made next
  std::vector<int> tail_order;              // of tail_epoch; empty when not made yet
  std::map<std::filesystem::path, std::string> unreadable;
  int64_t replaced = 0;
  bool stop = false;
  std::vector<std::thread> workers;

  ~State();
  bool shuffled() const { return options.shuffle || options.balanced; }
  int64_t samples_per_epoch() const;
  int64_t batches_per_epoch() const { return (samples_per_epoch() + options.batch_size - 1) / options.batch_size; }
  std::vector<int> epoch_order(int64_t of_epoch) const;

  // With the mutex held:
  void restart(int64_t to_epoch, int64_t to_number);
  void fill_slots();
  std::shared_ptr<Slot> make_slot();
  std::shared_ptr<Slot> claimable() const;

  void run_worker();
  /// Writes the pixels of one sample and returns the index of the sample really used.
  int prepare(Slot& slot, size_t place);
  void prepare_scene(Slot& slot, size_t place, int sample, const Tensor& image, Rng& rng);
  std::optional<Tensor> try_load(int sample);
  /// The image with objects and mask scaled to it.
  Scene scene_of(int sample, const Tensor& image) const;
};

BatchLoader::State::~State() {
  {
    std::lock_guard lock(mutex);
    stop = true;
  }
  work.notify_all();
  for (std::thread& worker : workers) worker.join();
}

int64_t BatchLoader::State::samples_per_epoch() const {
  auto total = static_cast<int64_t>(dataset.samples.size());
  return options.drop_last && total > options.batch_size ? total / options.batch_size * options.batch_size : total;
}

std::vector<int> BatchLoader::State::epoch_order(int64_t of_epoch) const {
  std::vector<int> order(dataset.samples.size());
  std::iota(order.begin(), order.end(), 0);
  if (shuffled()) {
    Rng rng = Rng::of(options.seed, order_stream, static_cast<uint64_t>(of_epoch));
    if (options.balanced) order = balanced_draw(dataset, rng);
    rng.shuffle(std::span<int>(order));
  }
  order.resize(static_cast<size_t>(samples_per_epoch()));
  return order;
}

void BatchLoader::State::restart(int64_t to_epoch, int64_t to_number) {
  bool already_there =
      !slots.empty() && slots.front()->batch.epoch == to_epoch && slots.front()->batch.number == to_number;
  epoch = to_epoch;
  number = to_number;
  if (already_there) return;
  slots.clear();  // a worker that is inside one keeps it alive until it is done
  tail_epoch = to_epoch;
  tail_number = to_number;
  tail_order.clear();
}

/// Goes on into the next epoch only when shuffling, that is for training, where it will surely be wanted.
void BatchLoader::State::fill_slots() {
  if (slots.empty()) {
    if (tail_epoch != epoch) tail_order.clear();
    tail_epoch = epoch;
    tail_number = number;
  }
  while (slots.size() < static_cast<size_t>(options.prefetch)) {
    if (tail_number >= batches_per_epoch()) {
      if (!shuffled()) return;
      ++tail_epoch;
      tail_number = 0;
      tail_order.clear();
    }
    slots.push_back(make_slot());
    work.notify_all();
  }
}

std::shared_ptr<Slot> BatchLoader::State::make_slot() {
  if (tail_order.empty()) tail_order = epoch_order(tail_epoch);
  auto slot = std::make_shared<Slot>();
  auto first = static_cast<size_t>(tail_number * options.batch_size);
  size_t count = std::min(static_cast<size_t>(options.batch_size), tail_order.size() - first);
  auto begin = tail_order.begin() + static_cast<std::ptrdiff_t>(first);
  slot->order.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
  slot->last = count;
  if (options.rows) {
    auto [from, to] = options.rows(static_cast<int64_t>(count));
    slot->claimed = static_cast<size_t>(from);
    slot->last = static_cast<size_t>(to);
  }
  slot->unfinished = slot->last - slot->claimed;
  ImageSize size{options.height, options.width};
  if (options.scene) {
    const std::vector<ImageSize>& sizes = options.scene->sizes;
    Rng rng =
        Rng::of(options.seed ^ size_stream, static_cast<uint64_t>(tail_epoch), static_cast<uint64_t>(tail_number));
    if (!sizes.empty()) size = sizes[rng.below(static_cast<uint32_t>(sizes.size()))];
    slot->batch.objects.resize(count);
    slot->batch.placements.resize(count);
    if (has_masks) slot->batch.masks = Tensor(DType::u8, {static_cast<int64_t>(count), size.height, size.width});
  }
  slot->batch.images = Tensor(DType::u8, {static_cast<int64_t>(count), size.height, size.width, 3});
  slot->batch.labels.resize(count);
  slot->batch.indices.resize(count);
  slot->batch.epoch = tail_epoch;
  slot->batch.number = tail_number++;
  return slot;
}

std::shared_ptr<Slot> BatchLoader::State::claimable() const {
  for (const std::shared_ptr<Slot>& slot : slots)
    if (slot->claimed < slot->last) return slot;
  return nullptr;
}

void BatchLoader::State::run_worker() {
  std::unique_lock lock(mutex);
  while (true) {
    std::shared_ptr<Slot> slot;
    work.wait(lock, [&] { return stop || (slot = claimable()); });
    if (stop) return;
    size_t place = slot->claimed++;
    lock.unlock();
    int used = slot->order[place];
    std::exception_ptr error;
    try {
      used = prepare(*slot, place);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && !slot->error) slot->error = error;
    slot->batch.indices[place] = used;
    slot->batch.labels[place] = dataset.samples[static_cast<size_t>(used)].label;
    if (used != slot->order[place]) ++slot->replaced;
    if (--slot->unfinished == 0) ready.notify_all();
  }
}

int BatchLoader::State::prepare(Slot& slot, size_t place) {
  auto count = static_cast<int>(dataset.samples.size());
  int used = slot.order[place];
  std::optional<Tensor> image = try_load(used);
  int label = dataset.samples[static_cast<size_t>(used)].label;
  for (int step = 1; !image && step < count; ++step) {
    int candidate = (slot.order[place] + step) % count;
    if (dataset.samples[static_cast<size_t>(candidate)].label != label) continue;
    image = try_load(candidate);
    used = candidate;
  }
  if (!image)
    throw Error(
        "loader",
        fmt::format("no image of class '{}' can be read", label >= 0 && label < static_cast<int>(dataset.classes.size())
                                                              ? dataset.classes[static_cast<size_t>(label)]
                                                              : std::to_string(label)),
        "check that the images are still there");
  // By place in the epoch, not by sample: balanced sampling may draw one image several times.
  int64_t position = slot.batch.number * options.batch_size + static_cast<int64_t>(place);
  Rng rng =
      Rng::of(options.seed ^ augment_stream, static_cast<uint64_t>(slot.batch.epoch), static_cast<uint64_t>(position));
  if (options.scene) {
    prepare_scene(slot, place, used, *image, rng);
    return used;
  }
  size_t bytes = static_cast<size_t>(options.height) * static_cast<size_t>(options.width) * 3;
  const auto* pixels = static_cast<const uint8_t*>(slot.batch.images.raw()) + place * bytes;
  Tensor out(DType::u8, {options.height, options.width, 3}, pixels, bytes, nullptr);
  if (options.augment) {
    augment(*image, options.height, options.width, *options.augment, rng, out);
  } else {
    Tensor resized = resize_image(*image, options.height, options.width);
    std::memcpy(out.mutable_raw(), resized.raw(), bytes);
  }
  return used;
}

void BatchLoader::State::prepare_scene(Slot& slot, size_t place, int sample, const Tensor& image, Rng& rng) {
  ImageSize size{static_cast<int>(slot.batch.images.dim(1)), static_cast<int>(slot.batch.images.dim(2))};
  LoadScene other = [&](int index) -> std::optional<Scene> {
    std::optional<Tensor> pixels = try_load(index);
    if (!pixels) return std::nullopt;
    return scene_of(index, *pixels);
  };
  std::optional<Placement> placement;
  Scene original = scene_of(sample, image);
  Scene scene = vary(original, static_cast<int>(dataset.samples.size()), other, size, *options.scene, rng, &placement);
  const Sample& source = dataset.samples[static_cast<size_t>(sample)];
  if (placement && source.size.width > 0) {  // of the image on disk, not of the shrunk one
    placement->scale_x *= static_cast<double>(image.dim(1)) / source.size.width;
    placement->scale_y *= static_cast<double>(image.dim(0)) / source.size.height;
  }
  auto copy = [&](const Tensor& from, Tensor& to) {
    std::memcpy(static_cast<uint8_t*>(to.mutable_raw()) + place * from.bytes(), from.raw(), from.bytes());
  };
  copy(scene.image, slot.batch.images);
  if (slot.batch.masks.defined()) copy(scene.mask, slot.batch.masks);
  slot.batch.objects[place] = std::move(scene.objects);
  slot.batch.placements[place] = placement;
}

Scene BatchLoader::State::scene_of(int sample, const Tensor& image) const {
  const Sample& source = dataset.samples[static_cast<size_t>(sample)];
  Scene scene{image, source.objects, {}};
  if (has_masks) {
    scene.mask = cache->load(source.mask.native() + "#mask", [&] { return read_mask(source.mask, dataset.masks); });
    scene.mask = resize_mask(scene.mask, static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1)));
  }
  ImageSize shrunk{static_cast<int>(image.dim(0)), static_cast<int>(image.dim(1))};
  if (source.objects.empty() || source.size.width < 1 || shrunk == source.size) return scene;
  scene.objects = place_objects(source.objects, fit(source.size, shrunk, Fit::stretch), shrunk);
  return scene;
}

std::optional<Tensor> BatchLoader::State::try_load(int sample) {
  if (dataset.samples[static_cast<size_t>(sample)].pixels.defined())
    return image_of(dataset.samples[static_cast<size_t>(sample)]);
  const std::filesystem::path& path = dataset.samples[static_cast<size_t>(sample)].path;
  {
    std::lock_guard lock(mutex);
    if (unreadable.count(path)) return std::nullopt;
  }
  try {
    return cache->load(path);
  } catch (const Error& error) {
    if (!options.replace_unreadable) throw;
    std::lock_guard lock(mutex);
    unreadable.emplace(path, error.problem());
    return std::nullopt;
  }
}

CacheOptions cache_options(const LoaderOptions& options) {
  CacheOptions cache;
  cache.byte_limit = options.cache_bytes;
  if (options.scene) {
    int largest = std::max(options.height, options.width);
    for (const ImageSize& size : options.scene->sizes) largest = std::max({largest, size.height, size.width});
    double zoom = std::max(options.scene->max_scale, options.scene->crop > 0 ? 1.5 : 1.0);
    cache.short_side = static_cast<int>(std::ceil(largest * std::min(zoom, 2.0)));
  } else if (options.augment) {
    double area = (options.augment->min_area + options.augment->max_area) / 2;
    double factor = std::clamp(1 / std::sqrt(std::max(area, 0.01)), 1.15, 2.0);
    cache.short_side = static_cast<int>(std::ceil(std::max(options.height, options.width) * factor));
  } else {
    cache.exact_height = options.height;
    cache.exact_width = options.width;
  }
  return cache;
}

BatchLoader::BatchLoader(Dataset dataset, LoaderOptions options, std::shared_ptr<ImageCache> cache)
    : state_(std::make_unique<State>()) {
  validate(dataset, options);
  State& state = *state_;
  state.cache = cache ? std::move(cache) : std::make_shared<ImageCache>(cache_options(options));
  state.dataset = std::move(dataset);
  state.options = std::move(options);
  state.has_masks = state.options.scene && std::all_of(state.dataset.samples.begin(), state.dataset.samples.end(),
                                                       [](const Sample& sample) { return !sample.mask.empty(); });
  int threads = worker_count(state.options.threads, state.samples_per_epoch());
  for (int i = 0; i < threads; ++i) state.workers.emplace_back([&state] { state.run_worker(); });
}

BatchLoader::~BatchLoader() = default;

const Dataset& BatchLoader::dataset() const { return state_->dataset; }
const LoaderOptions& BatchLoader::options() const { return state_->options; }
int64_t BatchLoader::samples_per_epoch() const { return state_->samples_per_epoch(); }
int64_t BatchLoader::batches_per_epoch() const { return state_->batches_per_epoch(); }
std::vector<int> BatchLoader::epoch_order(int64_t epoch) const { return state_->epoch_order(epoch); }

void BatchLoader::start(int64_t epoch, int64_t batch) {
  if (epoch < 0 || batch < 0 || batch > batches_per_epoch())
    throw Error("loader", fmt::format("cannot start at epoch {}, batch {} (an epoch has {} batches)", epoch, batch,
                                      batches_per_epoch()));
  std::lock_guard lock(state_->mutex);
  state_->restart(epoch, batch);
  if (batch < state_->batches_per_epoch()) state_->fill_slots();
}

std::optional<Batch> BatchLoader::next() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.number >= state.batches_per_epoch()) {
    ++state.epoch;
    state.number = 0;
    return std::nullopt;
  }
  state.fill_slots();
  std::shared_ptr<Slot> slot = state.slots.front();
  while (!state.ready.wait_for(lock, std::chrono::milliseconds(100), [&] { return slot->unfinished == 0; }))
    check_interrupt("loader");
  check_interrupt("loader");
  if (slot->error) std::rethrow_exception(slot->error);
  state.slots.pop_front();
  ++state.number;
  state.replaced += slot->replaced;
  if (state.number < state.batches_per_epoch() || state.shuffled()) state.fill_slots();
  return std::move(slot->batch);
}

std::vector<Skipped> BatchLoader::unreadable() const {
  std::lock_guard lock(state_->mutex);
  std::vector<Skipped> list;
  for (const auto& [path, reason] : state_->unreadable) list.push_back({path, reason});
  return list;
}

int64_t BatchLoader::replaced() const {
  std::lock_guard lock(state_->mutex);
  return state_->replaced;
}

}  // namespace hone
