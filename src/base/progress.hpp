#pragma once
#include <cstdint>
#include <string>

namespace hone {

/// Receives the progress of long work. The library calls it; an application draws it.
/// Calls come from one thread at a time.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A stage of `total` steps begins (total 0: unknown).
  virtual void begin(const std::string& label, int64_t total) = 0;
  /// `done` steps of the stage are finished; `detail` is free text such as "loss 0.53  acc 81.2%".
  virtual void update(int64_t done, const std::string& detail = {}) = 0;
  /// The stage is over; `summary` is one line worth keeping, or empty.
  virtual void end(const std::string& summary = {}) = 0;
};

/// A Progress that ignores everything.
Progress& no_progress();

}  // namespace hone
