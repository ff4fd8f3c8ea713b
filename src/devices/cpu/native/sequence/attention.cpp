#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/native/common.hpp"
#include "graph/ops/nn/attention/attention.hpp"
#include "kernels/matmul.hpp"

/// The op Attention without a past, one head after the other.
namespace hone::cpu {

namespace {

/// Where the heads of q, k, v or y are: as an axis of their own, or neighbors in [batch, steps, heads * size].
struct Heads {
  int64_t heads = 1, steps = 0, size = 0;
  bool flat = false;
  int64_t row() const { return flat ? heads * size : size; }
  int64_t at(int64_t n, int64_t h) const {
    return flat ? n * steps * heads * size + h * size : (n * heads + h) * steps * size;
  }
};

Heads heads_of(const Dims& dims, const std::optional<int64_t>& heads) {
  if (dims.size() == 4) return {dims[1], dims[2], dims[3], false};
  return {*heads, dims[1], dims[2] / *heads, true};
}

/// What is added to the scores of a head: [queries, keys] of a bool or f32 input that broadcasts, and how many keys
/// before and after its own position a query sees (-1: all).
struct Mask {
  bool given = false, truth = false;
  int64_t left = -1, right = -1;
  int64_t batch_step = 0, head_step = 0, row_step = 0, column_step = 0;

  void fill(const void* input, int64_t n, int64_t h, int64_t queries, int64_t keys, float* to) const {
    constexpr float hidden = -std::numeric_limits<float>::infinity();
    int64_t from = n * batch_step + h * head_step;
    for (int64_t i = 0; i < queries; ++i, to += keys, from += row_step) {
      int64_t first = left < 0 ? 0 : std::clamp<int64_t>(i - left, 0, keys);
      int64_t seen = right < 0 ? keys : std::min(keys, i + std::min(right, keys) + 1);
      std::fill(to, to + std::min(first, seen), hidden);
      for (int64_t j = first; j < seen; ++j) {
        int64_t at = from + j * column_step;
        if (!given) to[j] = 0;
        else if (truth) to[j] = static_cast<const uint8_t*>(input)[at] ? 0 : hidden;
        else to[j] = static_cast<const float*>(input)[at];
      }
      std::fill(to + seen, to + keys, hidden);
    }
  }
  bool any() const { return given || left >= 0 || right >= 0; }
};

class NativeAttention : public Kernel {
 public:
  NativeAttention(int64_t batch, Heads q, Heads k, Heads v, Mask mask, float scale, int threads)
      : batch_(batch), q_(q), k_(k), v_(v), mask_(mask), threads_(threads) {
    shape_ = {q.steps, k.steps, q.size, v.size, q.row(), k.row(), v.row(), 0, scale};
    y_ = {q.heads, q.steps, v.size, q.flat};
    shape_.y_row = y_.row();
    masked_ = mask.any() ? (static_cast<size_t>(q.steps * k.steps) + 15) / 16 * 16 : 0;
    floats_ = masked_ + (kernels::matmul_kernels().attention_floats(shape_) + 15) / 16 * 16;
  }
  std::string name() const override { return "hone attention"; }
  size_t scratch_bytes() const override { return floats_ * sizeof(float) * static_cast<size_t>(threads_); }

  void run(const KernelRun& run) const override {
    run.pool.parallel_for(batch_ * q_.heads, [&](int64_t task, int thread) {
      int64_t n = task / q_.heads, h = task % q_.heads, shared = h / (q_.heads / k_.heads);
      float* scratch = reinterpret_cast<float*>(run.scratch) + static_cast<size_t>(thread) * floats_;
      if (masked_) mask_.fill(mask_.given ? run.in(3) : nullptr, n, h, q_.steps, k_.steps, scratch);
      kernels::matmul_kernels().attention(shape_, run.in<float>(0) + q_.at(n, h), run.in<float>(1) + k_.at(n, shared),
                                          run.in<float>(2) + v_.at(n, shared), masked_ ? scratch : nullptr, k_.steps,
                                          run.out<float>() + y_.at(n, h), scratch + masked_);
      if (masked_) clear_hidden(scratch, run.out<float>() + y_.at(n, h));
    });
  }

 private:
  /// A query that sees no key gets zeros.
  void clear_hidden(const float* mask, float* y) const {
    for (int64_t i = 0; i < q_.steps; ++i, mask += k_.steps, y += y_.row())
      if (std::all_of(mask, mask + k_.steps, [](float plus) { return plus == -HUGE_VALF; }))
        std::fill(y, y + y_.size, 0.0f);
  }

  int64_t batch_;
  Heads q_, k_, v_, y_;
  Mask mask_;
  kernels::AttentionShape shape_;
  size_t masked_, floats_;
  int threads_;
};

/// False when the mask ends before the keys do or has another form.
bool describe_mask(const Node& node, const Heads& q, const Heads& k, Mask& mask) {
  const Value* input = node.input(3);
  if (!input) return true;
  mask.given = true;
  mask.truth = input->dtype() == DType::boolean;
  if (!mask.truth && input->dtype() != DType::f32) return false;
  Dims dims = dims_of(input);
  if (dims.empty() || dims.size() > 4) return false;
  dims.insert(dims.begin(), 4 - dims.size(), 1);
  if (dims[3] != k.steps && (dims[3] != 1 || k.steps == 1)) return false;
  if ((dims[2] != 1 && dims[2] != q.steps) || (dims[1] != 1 && dims[1] != q.heads)) return false;
  mask.column_step = dims[3] == 1 ? 0 : 1;
  mask.row_step = dims[2] == 1 ? 0 : dims[3];
  mask.head_step = dims[1] == 1 ? 0 : dims[2] * dims[3];
  mask.batch_step = dims[0] == 1 ? 0 : dims[1] * dims[2] * dims[3];
  return true;
}

}  // namespace

std::unique_ptr<Kernel> make_native_attention(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* op = node.as<ops::Attention>();
  if (!op) return nullptr;
  for (size_t i : {size_t{0}, size_t{1}, size_t{2}})
    if (node.input(i)->dtype() != DType::f32) return refusal = "not f32", nullptr;
  if (node.outputs().size() != 1 || node.input(4) || node.input(5) || node.input(6))
    return refusal = "a past, lengths, or more outputs", nullptr;
  if (op->softcap != 0 || (op->softmax_precision && *op->softmax_precision != static_cast<int64_t>(DType::f32)))
    return refusal = "softcap, or softmax in another type", nullptr;
  if (element_count(dims_of(node.output())) == 0 || element_count(dims_of(node.input(1))) == 0)
    return refusal = "empty tensor", nullptr;
  Heads q = heads_of(dims_of(node.input(0)), op->q_num_heads), k = heads_of(dims_of(node.input(1)), op->kv_num_heads),
        v = heads_of(dims_of(node.input(2)), op->kv_num_heads);
  Mask mask;
  mask.left = op->left_window_size;
  mask.right = op->is_causal ? 0 : op->right_window_size;
  if (!describe_mask(node, q, k, mask)) return refusal = "form of the mask", nullptr;
  float scale = op->scale ? *op->scale : 1 / std::sqrt(static_cast<float>(q.size));
  return std::make_unique<NativeAttention>(dims_of(node.input(0))[0], q, k, v, mask, scale, context.threads);
}

}  // namespace hone::cpu
