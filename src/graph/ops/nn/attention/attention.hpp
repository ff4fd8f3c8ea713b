#pragma once
#include <optional>

#include "graph/op.hpp"

namespace hone::ops {

/// Scaled dot-product attention: y = softmax(mask + softcap(scale q k')) v, for each head.
/// Inputs: q [batch, q heads, q steps, size], k [batch, kv heads, kv steps, size], v [batch, kv heads, kv steps, v
/// size], or all of them as [batch, steps, heads * size]; attn_mask (optional: bool, or numbers to add; broadcasts to
/// [batch, q heads, q steps, total steps], steps past its end are masked); past_key and past_value (optional: what
/// comes before k and v on their step axis); nonpad_kv_seqlen [batch] (optional: how many steps of k and v count). A
/// query that sees no key at all gets zeros. Outputs: y, present_key, present_value (past and new ones), the scores.
/// Several q heads share one of k and v where there are more of them.
struct Attention : OpOf<Attention> {
  /// 1: a query sees the keys up to its own position, which comes after the past (or, with nonpad_kv_seqlen, ends
  /// there).
  int64_t is_causal = 0;
  std::optional<int64_t> kv_num_heads, q_num_heads;  ///< of rank-3 inputs
  /// How many keys before (after) its own position a query sees at most; -1: all of them.
  int64_t left_window_size = -1, right_window_size = -1;
  /// Which scores the last output has: 0 of q k', 1 after softcap, 2 with the mask, 3 after softmax. Without softcap 1
  /// is as 2: until 2026 ONNX added the mask before softcap and had 1 and 2 the other way round.
  int64_t qk_matmul_output_mode = 0;
  std::optional<float> scale;                ///< 1 / sqrt(size) when absent
  float softcap = 0;                         ///< c: scores become c tanh(scores / c); 0: they stay
  std::optional<int64_t> softmax_precision;  ///< ONNX number of the type that softmax is computed in

  const char* type() const override { return "Attention"; }
  OpSpec spec() const override;
  void attributes(AttributeVisitor& visitor) override;
  void infer(InferContext& context) const override;
  void evaluate(EvalContext& context) const override;
};

}  // namespace hone::ops
