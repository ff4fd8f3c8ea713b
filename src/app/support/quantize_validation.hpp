#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/support/evaluate.hpp"
#include "app/support/labelled_data.hpp"

namespace hone::app {

/// Labelled images that measure a model and what quantization makes of it.
class Validation {
 public:
  /// `data` is a folder of class folders (or one that has such a folder val/), a CSV file, or what read_labelled_images()
  /// takes besides. Throws Error when it is not labelled, the model is no classifier, or the labels do not fit its classes.
  Validation(const Graph& model, const std::filesystem::path& data, const DataFlags& images, const ImageFlags& flags,
             const DeviceOptions& device);
  /// Top-1 accuracy of a graph with the inputs and outputs of the model.
  double top1(const Graph& graph, Progress& progress) const;
  size_t images() const { return data_.samples.size(); }

 private:
  Graph for_images(const Graph& graph) const;
  const ImageFlags& flags_;
  DeviceOptions device_;
  std::vector<std::string> labels_;
  Dataset data_;
};

}  // namespace hone::app
