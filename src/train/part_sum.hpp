#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace hone {

class ProcessGroup;

/// What one part of a batch uses to look beyond itself: sums over all parts, in whichever thread or process they are.
/// All parts call sum() as often as one another, in the same order and with as many values.
class PartSum {
 public:
  virtual ~PartSum() = default;
  /// Replaces each value by its sum over the parts; the same bits in all of them. Waits for the others. Throws Error
  /// when one of them has ended.
  virtual void sum(std::span<double> values) = 0;
  /// A batch that is one part.
  static PartSum& alone();
};

/// The parts of a batch that the threads of this process work on, together with those of other processes.
class PartSums {
 public:
  /// For up to `most` parts here; `group` may be null.
  PartSums(int most, ProcessGroup* group);
  ~PartSums();

  /// Before each batch, while no part is worked on: how many parts it has here.
  void begin(int parts);
  PartSum& operator[](int part);
  /// From a part that ends by an error: the others, which would wait for it, end by the same.
  void abandon(const std::exception_ptr& error);

 private:
  class Part;
  void sum(int part, std::span<double> values);
  void add_up();
  void check();

  ProcessGroup* group_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<std::span<double>> values_;  ///< of each part in this round
  int count_ = 0;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> round_{0};
  std::atomic<bool> abandoned_{false};
  std::mutex mutex_;
  std::exception_ptr error_;  ///< the first
};

/// The place of a part in its batch.
struct BatchPart {
  int64_t first = 0, images = 0;  ///< images of other parts in front of its own, and of all parts together
  uint64_t seed = 0;              ///< of what is drawn for this batch
  PartSum* sum = &PartSum::alone();
};

}  // namespace hone
