#pragma once
#include <filesystem>
#include <memory>
#include <vector>

#include "app/support/labelled_data.hpp"
#include "app/support/options.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace hone::app {

/// Input tensors of a model, one set after another.
class Calibration {
 public:
  virtual ~Calibration() = default;
  /// False when there are no more.
  virtual bool next(std::vector<Tensor>& inputs) = 0;
  /// Samples there are, if all can be read; at least 1.
  virtual int available() const = 0;
  /// Images that could not be read so far.
  const std::vector<Skipped>& skipped() const { return skipped_; }

 protected:
  std::vector<Skipped> skipped_;
};

/// Images in an order that is random but always the same. `data` is a CSV file, or a folder, whose sub-folder train/ is
/// used when it has one; with `images`, or when no file is one image, a data set of any format and task, of which the
/// training part is used when it has one and nothing else is asked for. A model that takes images gets them as they
/// are, a known detector or segmenter what it was trained with, any other tensors made with `flags`. Throws Error when
/// there are no images, or the model is none for images.
std::unique_ptr<Calibration> image_calibration(const Graph& model, const std::filesystem::path& data,
                                               const DataFlags& images, const ImageFlags& flags, int subset);

/// A few sets of random tensors.
std::unique_ptr<Calibration> random_calibration(const Graph& model);

}  // namespace hone::app
