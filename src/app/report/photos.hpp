#pragma once
#include <string>
#include <vector>

#include "app/report/page.hpp"

namespace hone::app {

/// Pictures with what the model says of them: its surest mistakes, and right answers of every class.
std::string photo_section(const ModelResult& model, const std::vector<std::string>& classes);

}  // namespace hone::app
