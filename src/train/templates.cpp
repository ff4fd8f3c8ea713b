#include "train/templates.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "train/templates/mobilenet_v2.hpp"

namespace hone {

const std::vector<Template>& templates() {
  static const std::vector<Template> list = {
      {"mobilenet_v2", "inverted residuals, small and fast (Sandler et al. 2018)", build_mobilenet_v2},
  };
  return list;
}

Graph build_template(const std::string& name, const TemplateOptions& options) {
  std::string names;
  for (const Template& entry : templates()) {
    if (name == entry.name) return entry.build(options);
    names += std::string(names.empty() ? "" : ", ") + entry.name;
  }
  throw Error("template '" + name + "'", "is unknown", "known templates: " + names);
}

}  // namespace hone
