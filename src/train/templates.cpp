#include "train/templates.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "train/templates/atss.hpp"
#include "train/templates/bisenet.hpp"
#include "train/templates/deeplabv3_mobilenet.hpp"
#include "train/templates/efficientnet_b0.hpp"
#include "train/templates/mobilenet_v2.hpp"
#include "train/templates/mobilenet_v3.hpp"
#include "train/templates/resnet.hpp"
#include "train/templates/ssd300_vgg16.hpp"
#include "train/templates/ssd_mobilenet_v2.hpp"
#include "train/templates/unet.hpp"
#include "train/templates/yolox.hpp"

namespace hone {

const std::vector<Template>& templates() {
  static const std::vector<Template> list = {
      {"mobilenet_v2", "inverted residuals, small and fast (Sandler et al. 2018)", Task::classification,
       build_mobilenet_v2},
      {"mobilenet_v3_small", "the quickest; squeeze and excitation, hard swish (Howard et al. 2019)",
       Task::classification, build_mobilenet_v3_small},
      {"mobilenet_v3_large", "as small, more precise", Task::classification, build_mobilenet_v3_large},
      {"mobilenet_v3_large_075", "three quarters of its channels", Task::classification, build_mobilenet_v3_large_075},
      {"efficientnet_b0", "precise for its size (Tan & Le 2019)", Task::classification, build_efficientnet_b0},
      {"resnet18", "plain convolutions, well suited to INT8 (He et al. 2016)", Task::classification, build_resnet18},
      {"resnet50", "large", Task::classification, build_resnet50},
      {"ssd_mobilenet_v2", "SSDLite on MobileNetV2: small and quick", Task::detection, build_ssd_mobilenet_v2},
      {"atss", "anchor-free with a feature pyramid: more precise, small objects too", Task::detection, build_atss},
      {"yolox_nano", "CSPDarknet, anchor-free, separable (Ge et al. 2021)", Task::detection, build_yolox_nano},
      {"yolox_tiny", "CSPDarknet, anchor-free (Ge et al. 2021)", Task::detection, build_yolox_tiny},
      {"ssd300_vgg16", "the published SSD300: large", Task::detection, build_ssd300_vgg16},
      {"bisenet", "fast segmentation with a path for detail and one for context", Task::segmentation, build_bisenet},
      {"deeplabv3_mobilenet", "DeepLabV3+ on MobileNetV2 or a given backbone", Task::segmentation,
       build_deeplabv3_mobilenet},
      {"unet", "U-Net: precise at edges, costly at large sizes (Ronneberger et al. 2015)", Task::segmentation,
       build_unet},
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
