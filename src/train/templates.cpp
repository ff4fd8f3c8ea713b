#include "train/templates.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "train/templates/atss.hpp"
#include "train/templates/mobilenet_v2.hpp"
#include "train/templates/ssd300_vgg16.hpp"
#include "train/templates/ssd_mobilenet_v2.hpp"
#include "train/templates/yolox.hpp"

namespace hone {

const std::vector<Template>& templates() {
  static const std::vector<Template> list = {
      {"mobilenet_v2", "inverted residuals, small and fast (Sandler et al. 2018)", Task::classification, build_mobilenet_v2},
      {"ssd_mobilenet_v2", "SSDLite on MobileNetV2: small and quick", Task::detection, build_ssd_mobilenet_v2},
      {"atss", "anchor-free with a feature pyramid: more precise, small objects too", Task::detection, build_atss},
      {"yolox_nano", "CSPDarknet, anchor-free, separable (Ge et al. 2021)", Task::detection, build_yolox_nano},
      {"yolox_tiny", "CSPDarknet, anchor-free (Ge et al. 2021)", Task::detection, build_yolox_tiny},
      {"ssd300_vgg16", "the published SSD300: large", Task::detection, build_ssd300_vgg16},
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
