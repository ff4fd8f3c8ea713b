#pragma once
#include <string>
#include <utility>
#include <vector>

namespace hone::app {

/// Names and contents of the program's source files that `hone deploy` writes (those of programs/hone_deployed).
const std::vector<std::pair<std::string, std::string>>& deployed_sources();

}  // namespace hone::app
