#include <fmt/format.h>

#include <array>

#include "base/error.hpp"
#include "data/dataset.hpp"
#include "data/names.hpp"

namespace hone {

namespace {
constexpr std::array tasks = {Task::classification, Task::multi_label,  Task::detection,
                              Task::instance_segmentation, Task::segmentation, Task::anomaly};
}

const char* name_of(Task task) {
  switch (task) {
    case Task::classification: return "classification";
    case Task::multi_label: return "multi-label";
    case Task::detection: return "detection";
    case Task::instance_segmentation: return "instance-segmentation";
    case Task::segmentation: return "segmentation";
    case Task::anomaly: return "anomaly";
  }
  return "";
}

Task parse_task(const std::string& name) {
  std::vector<std::string> names;
  for (Task task : tasks) {
    if (name == name_of(task)) return task;
    names.emplace_back(name_of(task));
  }
  std::vector<std::string> near = nearest_names(name, names, 1);
  throw Error("task", fmt::format("'{}' is none of {}", name, name_list(names)),
              near.empty() ? "" : fmt::format("did you mean '{}'?", near[0]));
}

const char* name_of(Part part) {
  switch (part) {
    case Part::none: return "none";
    case Part::train: return "train";
    case Part::validation: return "validation";
    case Part::test: return "test";
  }
  return "";
}

Tensor image_of(const Sample& sample) {
  if (!sample.pixels.defined()) return decode_image(sample.path);
  if (sample.pixels.rank() == 3) return sample.pixels;
  Tensor image(DType::u8, {sample.pixels.dim(0), sample.pixels.dim(1), 3});
  auto in = sample.pixels.data<uint8_t>();
  auto out = image.mutable_data<uint8_t>();
  for (size_t i = 0; i < in.size(); ++i) out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = in[i];
  return image;
}

}  // namespace hone
