#pragma once
#include <vector>

#include "quantize/quantize.hpp"
#include "quantize/samples.hpp"

namespace hone {

/// Compares quantized models by what their outputs differ from FP32's on the samples that were held out. Of
/// probabilities (of Softmax) the logarithms are compared, which are the scores before it but for a constant: errors of
/// probabilities themselves would be those of a few undecided samples.
class Trials {
 public:
  /// Relative squared errors of the f32 outputs for one sample.
  using Errors = std::vector<double>;

  /// `samples` and `make_runner` must outlive the object.
  Trials(const Graph& exact, const SampleStream& samples, const MakeRunner& make_runner);

  /// Of each sample. Throws Interrupted on Ctrl-C.
  std::vector<Errors> errors_of(const Graph& graph) const;

  /// Signal over error in dB, mean over outputs and samples.
  static double sqnr_db(const std::vector<Errors>& errors);
  /// The gain, as mean logarithm of the ratio of errors, is beyond its standard error over the samples, and the errors
  /// are smaller by `factor`.
  static bool clearly_better(const std::vector<Errors>& errors, const std::vector<Errors>& than, double factor = 1);

 private:
  std::vector<std::vector<Tensor>> outputs_of(const Graph& graph) const;

  const SampleStream& samples_;
  const MakeRunner& make_runner_;
  std::vector<bool> probabilities_;  ///< by output
  std::vector<std::vector<Tensor>> exact_;
};

}  // namespace hone
