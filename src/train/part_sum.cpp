#include "train/part_sum.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "train/distributed.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hone {

namespace {

struct Alone : PartSum {
  void sum(std::span<double>) override {}
};

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

constexpr int spin_rounds = 4000;  // some 100 us: parts of the same size arrive at nearly the same time

}  // namespace

PartSum& PartSum::alone() {
  static Alone alone;
  return alone;
}

class PartSums::Part : public PartSum {
 public:
  Part(PartSums& sums, int index) : sums_(sums), index_(index) {}
  void sum(std::span<double> values) override { sums_.sum(index_, values); }

 private:
  PartSums& sums_;
  int index_;
};

PartSums::PartSums(int most, ProcessGroup* group) : group_(group), values_(static_cast<size_t>(most)) {
  for (int i = 0; i < most; ++i) parts_.push_back(std::make_unique<Part>(*this, i));
}

PartSums::~PartSums() = default;

PartSum& PartSums::operator[](int part) { return *parts_.at(static_cast<size_t>(part)); }

void PartSums::begin(int parts) {
  count_ = parts;
  arrived_ = 0;
  abandoned_ = false;
  error_ = nullptr;
}

void PartSums::abandon(const std::exception_ptr& error) {
  {
    std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
  }
  abandoned_ = true;
  round_.fetch_add(1);
  round_.notify_all();
}

void PartSums::check() {
  if (!abandoned_) return;
  std::lock_guard lock(mutex_);
  std::rethrow_exception(error_);
}

/// The last part to arrive does the work of all, in the order of parts, whichever it is.
void PartSums::sum(int part, std::span<double> values) {
  if (count_ == 1 && !group_) return;
  uint32_t round = round_.load();
  check();
  values_[static_cast<size_t>(part)] = values;
  if (arrived_.fetch_add(1) + 1 == count_) {
    arrived_ = 0;
    add_up();
    round_.fetch_add(1);
    round_.notify_all();
    return;
  }
  for (int i = 0; i < spin_rounds && round_.load(std::memory_order_acquire) == round; ++i) relax();
  round_.wait(round);
  check();
}

void PartSums::add_up() {
  std::span<double> total = values_[0];
  for (int i = 1; i < count_; ++i) {
    std::span<double> more = values_[static_cast<size_t>(i)];
    if (more.size() != total.size()) throw Error("training", "the parts of a batch add up different things");
    for (size_t k = 0; k < total.size(); ++k) total[k] += more[k];
  }
  if (group_) group_->sum(total);
  for (int i = 1; i < count_; ++i) std::copy(total.begin(), total.end(), values_[static_cast<size_t>(i)].begin());
}

}  // namespace hone
