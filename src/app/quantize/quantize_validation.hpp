#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/support/labelled_data.hpp"
#include "app/support/options.hpp"
#include "base/progress.hpp"
#include "graph/graph.hpp"

namespace hone::app {

/// Labelled images that measure a model and what quantization makes of it.
class Validation {
 public:
  virtual ~Validation() = default;
  /// The metric, 0..1, of a graph with the inputs and outputs of the model.
  double measure(const Graph& graph, Progress& progress);
  /// The standard error of the difference of the last two graphs measured, from how it varies between shares of the
  /// images; 0 when there are too few images.
  double sampling_error() const;
  /// "top-1", "mAP" (COCO, IoU 0.50 to 0.95) or "mIoU".
  virtual const char* metric() const = 0;
  virtual size_t images() const = 0;

 protected:
  /// The metric of all images and that of each of some equal shares of them.
  struct Measured {
    double value = 0;
    std::vector<double> shares;
  };
  virtual Measured measure_shares(const Graph& graph, Progress& progress) const = 0;

 private:
  Measured last_, before_;
};

/// For a classifier, a detector whose head is known or a segmenter. `data` is a folder of class folders (or one that
/// has such a folder val/), a CSV file, or a data set of any format annotated for the task, of which `images` chooses.
/// Throws Error when it is not labelled, the model is none of these, or the labels do not fit its classes.
std::unique_ptr<Validation> make_validation(const Graph& model, const std::filesystem::path& data,
                                            const DataFlags& images, const ImageFlags& flags,
                                            const DeviceOptions& device);

/// How images enter a plain model, for a report: what nobody said is the commonest mistake. Empty when the flags say
/// it, or the model is known or has preprocessing of its own.
std::string assumed_preprocessing(const Graph& model, const ImageFlags& flags);

}  // namespace hone::app
