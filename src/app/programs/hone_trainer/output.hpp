#pragma once
#include "app/programs/hone_trainer/model.hpp"
#include "app/programs/hone_trainer/options.hpp"

namespace hone::app {

/// What train.json says of a run from its start on.
Json describe_run(const TrainCommandOptions& options, const ModelPlan& plan, const Splits& data);
void add_result(Json& json, const TrainResult& result);
/// Writes model.onnx.
void write_model(const Graph& model, const TrainCommandOptions& options, const ModelPlan& plan, const Splits& data,
                 const TrainResult& result);
/// The result and what to do next, on stdout.
void print_result(const TrainCommandOptions& options, const Splits& data, const TrainResult& result);

}  // namespace hone::app
