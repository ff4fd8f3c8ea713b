#pragma once
#include "app/programs/hone_trainer/model.hpp"

namespace hone::app {

/// For --time: measures training steps on this machine and chooses, of what is not given, the largest template, width
/// and size that leaves time for enough passes over the images. Says so on stderr.
void choose_by_time(TrainCommandOptions& options, ModelPlan& plan, const Splits& data);

/// The batch that a small set and the memory of the machine allow, when it is not given: at least eight steps an epoch,
/// and the activations of training in half of what memory is free.
void choose_batch(TrainCommandOptions& options, const Graph& model, const Dataset& train);

}  // namespace hone::app
