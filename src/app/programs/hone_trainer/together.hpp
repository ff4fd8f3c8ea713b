#pragma once
#include <filesystem>
#include <memory>

#include "app/programs/hone_trainer/options.hpp"

namespace hone::app {

/// `hone train` in several processes (train/distributed.hpp): the first one writes the output folder and talks, the
/// others work in a temporary folder, silently until an error.
class Together {
 public:
  /// Meets the other processes, if the environment names any, and gives all what --resume needs. Changes
  /// `options.output` of all but the first.
  explicit Together(TrainCommandOptions& options);
  ~Together();
  Together(const Together&) = delete;
  Together& operator=(const Together&) = delete;

 private:
  std::filesystem::path folder_;  ///< temporary; empty in the first process
  int out_ = -1, err_ = -1;       ///< what stdout and stderr were
};

/// False in a process that others choose for, by measuring time or memory.
bool is_first_process(const TrainCommandOptions& options);
/// All processes take over what the first one chose.
void share_choices(TrainCommandOptions& options);

}  // namespace hone::app
