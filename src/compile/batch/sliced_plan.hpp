#pragma once
#include <memory>
#include <span>

#include "plan/plan.hpp"

namespace hone::batch {

/// How a batch is run slice by slice.
struct Slices {
  int64_t size = 1;                             ///< samples of a slice
  int64_t count = 1;                            ///< slices
  int at_a_time = 1;                            ///< how many run at the same time, each on a thread of its own
  std::vector<uint8_t> cut;                     ///< 1: this input is cut along its first axis; 0: it is for all slices
  std::vector<std::pair<DType, Dims>> outputs;  ///< of the whole batch
};

/// Runs `slice`, the plan of one slice, for each slice of the batch, in place: on the caller's inputs and outputs.
std::shared_ptr<const Plan> make_sliced_plan(std::shared_ptr<const Plan> slice, Slices slices);

}  // namespace hone::batch
