#pragma once
#include <string>
#include <vector>

#include "app/support/draw_results.hpp"
#include "app/support/predictor.hpp"

namespace hone::app {

/// Models that run one after another. Behind a detector, the next one sees the objects that were found; else the whole
/// image.
class Chain {
 public:
  Chain(const std::vector<ImageModel>& models, const PredictorOptions& options, int top);
  /// What all of them say of the image.
  Marks run(const Tensor& image);
  double seconds() const { return seconds_; }  ///< of all inferences of the last run()

 private:
  void run_on_objects(Predictor& predictor, const Tensor& image, Marks& marks, std::vector<size_t>& regions);

  std::vector<Predictor> predictors_;
  int top_;
  double seconds_ = 0;
};

}  // namespace hone::app
