#pragma once
#include <dnnl.hpp>

#include <vector>

#include "devices/cpu/kernel.hpp"
#include "graph/ops/fused/fused.hpp"

namespace hone::cpu {

const dnnl::engine& onednn_engine();
/// The stream of the calling thread.
dnnl::stream& onednn_stream();
dnnl::memory::data_type onednn_type(DType type);

/// How the epilogue of a Fused node is said to oneDNN: output scales, zero points and post-ops.
struct Epilogue {
  dnnl::primitive_attr attr;
  std::vector<float> bias_factor;  ///< oneDNN adds the bias before the output scale: bias * factor
};
/// Fills `epilogue`; returns false and sets `refusal` for what oneDNN cannot say. `channels` is the number of outputs
/// of the layer, which the per-channel mask refers to.
bool make_epilogue(const ops::Fused& fused, int64_t channels, int scale_mask, DType residual_type, Epilogue& epilogue,
                   std::string& refusal);

/// Without VNNI oneDNN adds pairs of 8-bit products in 16 bits, which can saturate silently. True where these integer
/// weights cannot be trusted to it on this CPU.
bool may_saturate(const Tensor& weights);

/// The bias constant times factor[c], or zeros; empty when neither is needed.
std::vector<float> scaled_bias(const Value* bias, int64_t channels, const std::vector<float>& factor);

/// Weights in the layout that a primitive wants; parts that want the same layout share them.
class PackedWeights {
 public:
  /// `plain` must stay valid during the call only. With `stored`, what is not shared is taken from there instead.
  dnnl::memory get(const dnnl::memory::desc& wanted, const dnnl::memory::desc& plain_desc, const void* plain,
                   StoredWeights* stored);
  size_t bytes() const;

 private:
  std::vector<dnnl::memory> packed_;
  std::vector<std::shared_ptr<void>> stored_;  ///< keeps memory that is not oneDNN's own
};

/// One share of a layer: a primitive and where its tensors begin.
struct Part {
  dnnl::primitive primitive;
  dnnl::memory::desc src, dst;
  dnnl::memory weights, bias;
  size_t src_offset = 0, dst_offset = 0;  ///< bytes
  size_t scratch_offset = 0, scratch_bytes = 0;
};

/// A layer that is executed as independent parts, one oneDNN primitive each, spread over our own threads.
class PartedKernel : public Kernel {
 public:
  std::string name() const override { return name_; }
  void run(const KernelRun& run) const override;
  std::unique_ptr<KernelState> make_state() const override;
  size_t scratch_bytes() const override { return scratch_; }
  size_t weight_bytes() const override { return weights_.bytes() + bias_.size() * sizeof(float); }
  std::vector<std::span<const std::byte>> packed() const override;
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == residual_input_; }
  bool reads(size_t i) const override { return i == 0 || static_cast<int>(i) == residual_input_; }

 protected:
  void add_part(Part part);
  /// Call after the last add_part().
  void finish(const char* prefix, const dnnl::primitive& first);
  std::vector<Part> parts_;
  PackedWeights weights_;
  std::vector<float> bias_;
  int residual_input_ = -1;
  size_t output_bytes_ = 0;

 private:
  size_t scratch_ = 0;
  std::string name_;
};

}  // namespace hone::cpu
