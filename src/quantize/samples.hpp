#pragma once
#include <vector>

#include "graph/graph.hpp"
#include "quantize/quantize.hpp"

namespace hone {

/// Calibration data: its first samples are kept, for methods that need to see some more than once; the rest streams. If
/// there are enough, some of those kept are held out: ranges see them, no other method does.
class SampleStream {
 public:
  /// Reads what is kept. Throws Error when there is no data, or a tensor does not fit its input.
  SampleStream(const Graph& model, const CalibrationSource& source, int subset_size);

  /// Sets of input tensors, read already.
  const std::vector<std::vector<Tensor>>& kept() const { return kept_; }
  /// More of them, to compare results on; empty when there are few samples.
  const std::vector<std::vector<Tensor>>& held_out() const { return held_out_; }
  /// Whether the last sample that next() gave is one of those.
  bool gave_held_out() const { return next_ > kept_.size() && !streams_; }
  /// Starts again at the first sample. Those that are not kept come once only.
  void rewind() { next_ = 0, streams_ = false; }
  /// The next set of tensors; false when there are no more, or the subset is complete.
  bool next(std::vector<Tensor>& inputs);
  /// While on, next() ends with the last kept sample.
  void kept_only(bool on) { kept_only_ = on; }
  int subset_size() const { return subset_size_; }

 private:
  bool read(std::vector<Tensor>& inputs);
  const Graph& model_;
  const CalibrationSource& source_;
  int subset_size_, samples_ = 0;  // read so far
  std::vector<std::vector<Tensor>> kept_, held_out_;
  size_t next_ = 0;
  bool streams_ = false;  ///< next() has gone beyond what was read by the constructor
  bool kept_only_ = false;
  bool ended_ = false;  ///< the source has no more; it is not asked again
};

/// Images in a set of tensors: the first size of the first one.
int images_in(const std::vector<Tensor>& tensors);

}  // namespace hone
