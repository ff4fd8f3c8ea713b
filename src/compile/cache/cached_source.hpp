#pragma once
#include <functional>
#include <list>
#include <mutex>
#include <optional>

#include "compile/batch/sliced_plan.hpp"
#include "compile/cache/folder.hpp"
#include "plan/plan.hpp"

namespace hone::cache {

/// A plan that the cache has a file of, or (with slices) one that runs such a plan for each slice of a batch.
class KeptPlan {
 public:
  virtual ~KeptPlan() = default;
  virtual std::optional<Hash> cache_key() const = 0;
  virtual const batch::Slices* slices() const { return nullptr; }
};

/// A model file whose plans are in the cache: neither the file nor its graph is read until sizes are asked for that
/// have no plan yet.
class CachedSource : public PlanSource {
 public:
  struct Opened {
    std::shared_ptr<PlanSource> model;
    bool keep = true;  ///< false: `key` does not say all that the model is made of
  };
  /// Reads the model file and loads it on the device.
  using Open = std::function<Opened()>;
  /// The plan of this key, or nullptr; it runs on one thread instead of those of the device when asked for.
  using Restore = std::function<std::shared_ptr<const Plan>(const Hash&, bool one_thread)>;
  /// `key` is of the contents of the model file and of all options. Throws Error as `open` does.
  CachedSource(Folder folder, const Hash& key, Open open, Restore restore);

  const std::vector<Port>& inputs() const override { return record_.inputs; }
  const std::vector<Port>& outputs() const override { return record_.outputs; }
  const std::map<std::string, std::string>& metadata() const override { return record_.metadata; }
  std::shared_ptr<const Plan> plan_for(std::span<const Dims> input_dims) override;

 private:
  using Sizes = std::vector<Dims>;
  struct Entry {
    Sizes sizes;
    Hash plan{};
    std::optional<batch::Slices> slices;
  };
  struct Record {
    std::vector<Port> inputs, outputs;
    std::map<std::string, std::string> metadata;
    std::vector<Entry> plans;  ///< the latest last
  };
  bool read_record();
  void write_record() const;
  void open_model();
  std::shared_ptr<const Plan> restored(const Entry& entry) const;

  Folder folder_;
  Hash key_;
  Open open_;
  Restore restore_;
  Record record_;
  bool keep_ = true;
  std::mutex mutex_;
  std::shared_ptr<PlanSource> model_;                                   ///< once it was opened
  std::list<std::pair<Sizes, std::shared_ptr<const Plan>>> restored_;  ///< while it was not; most recently used first
};

}  // namespace hone::cache
