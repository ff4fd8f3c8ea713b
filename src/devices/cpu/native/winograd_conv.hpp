#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "devices/cpu/kernel.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/conv.hpp"
#include "kernels/winograd.hpp"

namespace hone::cpu {

/// The convolution of a node that is one as Winograd's kernels know it: 3x3, stride 1, one group. nullptr, with the
/// reason in `refusal`, for others.
const ops::Conv* winograd_conv(const Node& node, std::string& refusal);

/// True, with the reason in `refusal`, when a convolution has too few channels to gain.
bool has_few_channels(const kernels::ConvShape& shape, std::string& refusal);

/// As winograd_conv(), for convolutions of 8-bit integers with channels enough.
const ops::Conv* integer_winograd_conv(const Node& node, std::string& refusal);

/// What Winograd's convolutions of all types share: packed weights with their room, and chunks of tiles that go
/// through the three steps.
class WinogradConv : public Kernel {
 public:
  size_t weight_bytes() const override { return steps_->packed_bytes(shape_); }
  std::vector<std::span<const std::byte>> packed() const override {
    return {{static_cast<const std::byte*>(packed_.get()), weight_bytes()}};
  }
  bool may_overwrite(size_t i) const override { return static_cast<int>(i) == epilogue_.residual_input; }
  bool reads(size_t i) const override { return i == 0 || static_cast<int>(i) == epilogue_.residual_input; }
  void rehearse(const std::shared_ptr<void>& memory) override { packed_ = memory; }
  void prepare(ThreadPool& pool) override;
  size_t scratch_bytes() const override {
    return (source_bytes() + product_bytes()) * static_cast<size_t>(together_ ? 1 : threads_);
  }
  void run(const KernelRun& run) const override;

 protected:
  /// `steps`: nullptr where this processor has none, which build() must refuse.
  WinogradConv(const kernels::WinogradShape& shape, const kernels::WinogradSteps* steps, const CpuContext& context)
      : shape_(shape), context_(context), threads_(context.threads), steps_(steps) {}

  virtual void pack(ThreadPool& pool) const = 0;
  /// Step 1 for the chunk's tiles [begin, end).
  virtual void transform(const KernelRun& run, const kernels::WinogradChunk& chunk, int64_t begin,
                         int64_t end) const = 0;
  /// A chunk's matrices should stay in the second-level cache; but weights that do not fit there are read once a chunk,
  /// so that chunks must have tiles enough to pay for it. `per_tile`: bytes of a tile's rows; `least`: tiles.
  void plan_chunks(int64_t per_tile, int64_t least);
  size_t more_bytes() const { return weight_bytes() - std::min(weight_bytes(), weights_.bytes()); }
  /// False, and why, when the plan has no room for weights so large.
  bool has_room(std::string& refusal) const;

  kernels::WinogradShape shape_;
  NativeEpilogue epilogue_;
  Tensor weights_;  // until they are packed
  std::shared_ptr<void> packed_;
  CpuContext context_;
  int threads_;

 private:
  static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }
  size_t source_bytes() const { return rounded(steps_->source_bytes(shape_, chunk_)); }
  size_t product_bytes() const { return rounded(steps_->product_bytes(shape_, chunk_)); }

  const kernels::WinogradSteps* steps_;
  int64_t chunk_ = 0;
  bool together_ = false;  // all threads work on one chunk, step by step; else on a chunk each
};

}  // namespace hone::cpu
