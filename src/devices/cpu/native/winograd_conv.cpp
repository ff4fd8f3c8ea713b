#include "devices/cpu/native/winograd_conv.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "devices/cpu/native/conv_node.hpp"

namespace hone::cpu {

const ops::Conv* winograd_conv(const Node& node, std::string& refusal) {
  const ops::Conv* conv = plain_conv(node, refusal);
  if (!conv) return nullptr;
  const kernels::ConvShape shape = conv_shape(node, *conv);
  const bool unit_stride = shape.stride_h == 1 && shape.stride_w == 1 && shape.dilation_h == shape.dilation_w;
  if (shape.kernel_h != 3 || shape.kernel_w != 3 || !unit_stride || shape.groups != 1)
    return refusal = "not 3x3 of stride 1", nullptr;
  return conv;
}

bool has_few_channels(const kernels::ConvShape& shape, std::string& refusal) {
  if (shape.channels >= 16 && shape.out_channels >= 16) return false;
  return refusal = "few channels", true;
}

const ops::Conv* integer_winograd_conv(const Node& node, std::string& refusal) {
  if (!plain_conv(node, refusal) || node.as<ops::Fused>()->weight_scales.empty()) return nullptr;
  const ops::Conv* conv = winograd_conv(node, refusal);
  return conv && !has_few_channels(conv_shape(node, *conv), refusal) ? conv : nullptr;
}

void WinogradConv::prepare(ThreadPool& pool) {
  if (context_.room) *context_.room -= std::min(*context_.room, more_bytes());
  packed_ = context_.allocate_weights(weight_bytes(), pool);
  pack(pool);
  weights_ = {};
}

bool WinogradConv::has_room(std::string& refusal) const {
  if (!context_.room || more_bytes() <= *context_.room) return true;
  refusal = fmt::format("{} MB more weights than the plan has room for", more_bytes() >> 20);
  return false;
}

void WinogradConv::plan_chunks(int64_t per_tile, int64_t least) {
  const int64_t tiles = shape_.tiles();
  int64_t count = std::min(tiles, std::max<int64_t>(600 * 1024 / per_tile, least));
  together_ = threads_ > 1 && tiles < 2 * threads_ * count && tiles < 8 * threads_ * 28;
  if (!together_ && threads_ > 1) count = std::min(count, (tiles + 2 * threads_ - 1) / (2 * threads_));
  const int64_t chunks = (tiles + count - 1) / count;
  chunk_ = (tiles + chunks - 1) / chunks;
}

void WinogradConv::run(const KernelRun& run) const {
  const kernels::Epilogue epilogue = epilogue_.bind(run);
  const int64_t tiles = shape_.tiles(), chunks = (tiles + chunk_ - 1) / chunk_;
  const int64_t units = shape_.positions() * steps_->blocks(shape_);
  auto chunk_at = [&](int64_t index, int slot) {
    char* source = run.scratch + (source_bytes() + product_bytes()) * static_cast<size_t>(slot);
    return kernels::WinogradChunk{index * chunk_, std::min(chunk_, tiles - index * chunk_), source,
                                  source + source_bytes()};
  };
  if (!together_) {
    run.pool.parallel_for(chunks, [&](int64_t index, int thread) {
      const kernels::WinogradChunk chunk = chunk_at(index, thread);
      transform(run, chunk, 0, chunk.count);
      steps_->multiply(shape_, packed_.get(), chunk, 0, units);
      steps_->finish(shape_, chunk, epilogue, run.out(), 0, chunk.count);
    });
    return;
  }
  for (int64_t index = 0; index < chunks; ++index) {
    const kernels::WinogradChunk chunk = chunk_at(index, 0);
    spread(run, chunk.count, 1, [&](int64_t begin, int64_t end) { transform(run, chunk, begin, end); });
    // Many small shares: a thread that started late leaves the rest to the others.
    const int64_t shares = std::min<int64_t>(units, 8 * run.pool.threads());
    run.pool.parallel_for(shares, [&](int64_t share, int) {
      steps_->multiply(shape_, packed_.get(), chunk, units * share / shares, units * (share + 1) / shares);
    });
    spread(run, chunk.count, 1, [&](int64_t begin, int64_t end) {
      steps_->finish(shape_, chunk, epilogue, run.out(), begin, end);
    });
  }
}

}  // namespace hone::cpu
