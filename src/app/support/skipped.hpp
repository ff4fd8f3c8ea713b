#pragma once
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace hone::app {

/// "3 images skipped:" and the first few with their reasons, one a line; empty when there are none.
std::string describe_skipped(const std::vector<Skipped>& skipped);
/// All of them, one "path: reason" a line.
std::string list_skipped(const std::vector<Skipped>& skipped);

}  // namespace hone::app
