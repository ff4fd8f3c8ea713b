#pragma once
#include <string>

namespace hone {

/// The recipe of a template (src/train/recipes/NAME.json): a JSON object whose names are options of `hone train`
/// without dashes, such as {"size": "128", "width": 0.5}; what it leaves out is as the task's defaults say. nullptr
/// when it has none.
const char* builtin_recipe(const std::string& template_name);

}  // namespace hone
