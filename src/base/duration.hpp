#pragma once
#include <string>

namespace hone {

std::string format_duration(double seconds);  ///< "45 s", "3 min 20 s", "2 h 05 min"

}  // namespace hone
