#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "train/log/event_file.hpp"
#include "train/trainer.hpp"

namespace hone {

/// What a run writes after each epoch: `folder`/log.csv, a row an epoch, and a TensorBoard event file. A run that is
/// continued goes on in both; rows of epochs that are trained again are replaced.
class EpochLog {
 public:
  /// `resume`: keep what the files have, else both are begun anew. Throws Error when they cannot be written.
  EpochLog(const std::filesystem::path& folder, bool resume);
  void add(const EpochRecord& epoch, const std::string& metric_name);

 private:
  std::filesystem::path csv_;
  std::vector<std::string> rows_;  ///< of epochs 1, 2, ...
  EventFile events_;
};

}  // namespace hone
