#pragma once
#include <string>

#include "app/quantize/quantize_sweep.hpp"

namespace hone::app {

/// Quality over latency as SVG: numbered points, the front as a line, and a legend that says which is which.
std::string sweep_picture(const Sweep& sweep, const std::string& title);

/// `text` for SVG and HTML.
std::string escaped(const std::string& text);

}  // namespace hone::app
