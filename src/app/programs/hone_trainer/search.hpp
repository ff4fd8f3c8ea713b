#pragma once
#include "app/programs/hone_trainer/model.hpp"
#include "base/progress.hpp"

namespace hone::app {

/// For --search: settings (learning rate, weight decay, variation of the images, size) drawn at random around the
/// defaults, which are the first of them, are trained for some epochs; the best third goes on with three times as many,
/// until one is left (successive halving, Jamieson & Talwalkar 2016), which `options` gets. What is given stays.
/// Results are in OUT/search.json as they come; `resume` goes on there.
void search_settings(TrainCommandOptions& options, const ModelPlan& plan, const Splits& data, Progress& progress);

/// For --find-lr: a short training with each of a few learning rates on some of the images; the one with the lowest
/// validation loss is chosen.
void find_learning_rate(TrainCommandOptions& options, const ModelPlan& plan, const Splits& data, Progress& progress);

}  // namespace hone::app
