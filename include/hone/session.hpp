#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <hone/export.hpp>
#include <hone/model.hpp>
#include <hone/tensor.hpp>

HONE_NAMESPACE_BEGIN

/// One step of the compiled model; several nodes of the file may be fused in it.
struct LayerProfile {
  std::string node;    ///< name of the (last) node
  std::string op;      ///< "Conv+Relu"
  std::string kernel;  ///< the code that runs it
  std::string output;  ///< "f32[1, 64, 56, 56]"
  double milliseconds = 0;  ///< mean over the runs
  double flops = 0;         ///< a multiplication and an addition counted as two
  double bytes = 0;         ///< read and written, weights included
};
struct Profile {
  int64_t runs = 0;  ///< that were measured
  std::vector<LayerProfile> layers;
};

/// A model in use by one thread at a time, with its own threads and working memory; weights are shared with the other
/// sessions of the model. Sizes may change from call to call: the first call with new sizes compiles the model for
/// them, and the last few are kept.
class HONE_API Session {
 public:
  explicit Session(const Model& model);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  /// One inference: inputs in the order of Model::inputs(), results in that of Model::outputs(). Throws Error naming
  /// the input whose type or sizes do not fit. The session holds on to the tensors of a run until the next.
  std::vector<Tensor> run(std::span<const Tensor> inputs);
  std::vector<Tensor> run(std::initializer_list<Tensor> inputs) {
    return run(std::span<const Tensor>(inputs.begin(), inputs.size()));
  }
  /// Writes the results into those `outputs` that are defined (own memory or views), without allocating, and makes the
  /// others. Throws Error when a defined one has another type or other sizes than its result.
  void run(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  /// By name. Throws Error for a name that the model does not have and for an input that is missing.
  std::map<std::string, Tensor> run(const std::map<std::string, Tensor>& inputs);

  /// Measures each step from now on, or stops.
  void set_profiling(bool on);
  /// The steps for the sizes that ran last; times are 0 when no run was measured.
  Profile profile() const;
  /// Bytes of activations and of prepacked weights for the sizes that ran last.
  size_t activation_bytes() const;
  size_t weight_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

HONE_NAMESPACE_END
