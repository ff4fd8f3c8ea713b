#pragma once
#include "app/programs/hone_trainer/options.hpp"
#include "base/progress.hpp"

namespace hone::app {

/// Reads the data set for the task that is asked for or, without --task, that its annotation is usually for. Says on
/// stderr what was read and what was wrong. The task is that of Splits::train. Throws Error when hone train has no such
/// task, and for data that cannot be trained on.
Splits read_training_data(const TrainCommandOptions& options, Progress& progress);

/// Adds the classes that an older model knew and the data has not; they get no training images.
void add_older_classes(Splits& data, const std::vector<std::string>& labels);

/// The images of a split as a file that hone eval and hone quantize take, as the split may be of our own making:
/// NAME.csv of image files with one class each, else NAME.txt, a list for their --list.
void write_split(const TrainCommandOptions& options, const std::string& name, const Dataset& split);
/// Which of the two.
bool is_written_as_list(const Dataset& split);

}  // namespace hone::app
