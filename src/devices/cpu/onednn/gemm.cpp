#include <algorithm>

#include "devices/cpu/kernels.hpp"
#include "devices/cpu/onednn/common.hpp"
#include "graph/ops/nn/gemm.hpp"
#include "graph/ops/nn/mat_mul.hpp"

namespace hone::cpu {

namespace {

using Desc = dnnl::memory::desc;
using Sizes = dnnl::memory::dims;

/// y [M, N] = x [M, K] w + b with constant weights, f32 or 8-bit integers.
class OnednnGemm : public PartedKernel {
 public:
  bool build(const Node& node, const ops::Fused& fused, bool transposed, const CpuContext& context,
             std::string& refusal) {
    const int threads = context.threads;
    Dims x = dims_of(node.input(0)), w = dims_of(node.input(1));
    k_ = x.back();
    n_ = transposed ? w[0] : w[1];
    m_ = element_count(x) / k_;
    src_type_ = node.input(0)->dtype();
    dst_type_ = node.output()->dtype();
    output_bytes_ = static_cast<size_t>(m_ * n_) * size_of(dst_type_);
    if (fused.has_residual) residual_input_ = static_cast<int>(fused.inner_inputs);
    const Value* bias = fused.inner_inputs > 2 ? node.input(2) : nullptr;
    // Many rows share the weights; few rows share the columns out instead.
    int64_t pieces = std::min<int64_t>(threads, std::max<int64_t>(1, std::max(m_ / 4, n_ / 32)));
    bool by_rows = m_ >= 8 * pieces;
    for (int64_t t = 0; t < pieces; ++t) {
      int64_t total = by_rows ? m_ : n_, begin = total * t / pieces, end = total * (t + 1) / pieces;
      Share share{0, m_, 0, n_};
      (by_rows ? share.row : share.column) = begin;
      (by_rows ? share.rows : share.columns) = end - begin;
      if (!add_share(node, fused, transposed, share, bias, context.stored, refusal)) return false;
    }
    finish("onednn", parts_[0].primitive);
    return true;
  }

 private:
  struct Share {
    int64_t row, rows, column, columns;
  };

  bool add_share(const Node& node, const ops::Fused& fused, bool transposed, const Share& share, const Value* bias,
                 StoredWeights* stored, std::string& refusal) {
    ops::Fused columns = fused;  // with the scales of these columns only
    if (columns.weight_scales.size() > 1)
      columns.weight_scales.assign(fused.weight_scales.begin() + share.column,
                                   fused.weight_scales.begin() + share.column + share.columns);
    DType residual = fused.has_residual ? node.input(static_cast<size_t>(residual_input_))->dtype() : DType::f32;
    Epilogue epilogue;
    if (!make_epilogue(columns, share.columns, 1 << 1, residual, epilogue, refusal)) return false;
    Part part;
    part.src = Desc({share.rows, k_}, onednn_type(src_type_), Sizes{k_, 1});
    part.dst = Desc({share.rows, share.columns}, onednn_type(dst_type_), Sizes{n_, 1});
    auto weight_type = fused.weight_scales.empty() ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::s8;
    Desc any_weights({k_, share.columns}, weight_type, dnnl::memory::format_tag::any);
    Desc plain({k_, share.columns}, weight_type, transposed ? Sizes{1, k_} : Sizes{n_, 1});
    const char* weights = static_cast<const char*>(node.input(1)->constant().raw());
    if (weights)
      weights += static_cast<size_t>(share.column * (transposed ? k_ : 1)) * dnnl::memory::data_type_size(weight_type);
    Desc bias_desc({1, share.columns}, dnnl::memory::data_type::f32, Sizes{share.columns, 1});
    auto desc = bias ? dnnl::matmul::desc(part.src, any_weights, bias_desc, part.dst)
                     : dnnl::matmul::desc(part.src, any_weights, part.dst);
    dnnl::matmul::primitive_desc primitive_desc(desc, epilogue.attr, onednn_engine());
    part.primitive = dnnl::matmul(primitive_desc);
    // Shares of other columns have other weights: a store of their own.
    PackedWeights store;
    part.weights = (share.columns == n_ ? weights_ : store).get(primitive_desc.weights_desc(), plain, weights, stored);
    if (bias) {
      std::vector<float> all = scaled_bias(bias, n_, {});
      std::vector<float> values(all.begin() + share.column, all.begin() + share.column + share.columns);
      for (size_t c = 0; c < epilogue.bias_factor.size(); ++c) values[c] *= epilogue.bias_factor[c];
      part.bias = dnnl::memory(bias_desc, onednn_engine());
      std::copy(values.begin(), values.end(), static_cast<float*>(part.bias.get_data_handle()));
    }
    part.scratch_bytes = primitive_desc.scratchpad_desc().get_size();
    part.src_offset = static_cast<size_t>(share.row * k_) * size_of(src_type_);
    part.dst_offset = static_cast<size_t>(share.row * n_ + share.column) * size_of(dst_type_);
    add_part(std::move(part));
    return true;
  }

  int64_t m_ = 0, n_ = 0, k_ = 0;
  DType src_type_ = DType::f32, dst_type_ = DType::f32;
};

}  // namespace

std::unique_ptr<Kernel> make_onednn_gemm(const Node& node, const CpuContext& context, std::string& refusal) {
  const auto* fused = node.as<ops::Fused>();
  if (!fused) return nullptr;
  const auto* gemm = dynamic_cast<const ops::Gemm*>(fused->inner.get());
  bool is_matmul = dynamic_cast<const ops::MatMul*>(fused->inner.get()) != nullptr;
  if (!gemm && !is_matmul) return nullptr;
  if (!node.input(1)->is_constant() || dims_of(node.input(1)).size() != 2)
    return refusal = "weights are not a constant matrix", nullptr;
  if (gemm && (gemm->alpha != 1 || gemm->beta != 1 || gemm->transA)) return refusal = "alpha, beta or transA", nullptr;
  Dims x = dims_of(node.input(0));
  if (x.size() < 2 || element_count(x) == 0 || element_count(dims_of(node.output())) == 0)
    return refusal = "not a matrix of at least one element", nullptr;
  if (gemm && fused->inner_inputs > 2 && node.input(2)) {
    const Value* bias = node.input(2);
    Dims b = dims_of(bias);
    bool row = bias->is_constant() && (element_count(b) == 1 || b.back() == element_count(b));
    if (!row) return refusal = "bias is not a constant row", nullptr;
  }
  if (!context.stored && !fused->weight_scales.empty() && may_saturate(node.input(1)->constant()))
    return refusal = "may saturate without VNNI", nullptr;
  auto kernel = std::make_unique<OnednnGemm>();
  try {
    if (kernel->build(node, *fused, gemm && gemm->transB, context, refusal)) return kernel;
  } catch (const dnnl::error& error) {
    refusal = std::string("oneDNN refuses it: ") + error.what();
  }
  return nullptr;
}

}  // namespace hone::cpu
