#pragma once
#include <string>

#include "data/statistics.hpp"

namespace hone::app {

/// One HTML page about a data set, all in one file: figures, classes, problems, and pictures with their annotation
/// drawn.
std::string data_page(const std::string& name, const Dataset& data, const DatasetStatistics& statistics);

}  // namespace hone::app
