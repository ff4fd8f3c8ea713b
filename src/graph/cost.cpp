#include "graph/cost.hpp"

#include <string_view>

#include "graph/ops/fused/fused.hpp"
#include "graph/ops/nn/gemm.hpp"

namespace hone {

namespace {
double elements(const Value* value) {
  if (!value || !value->shape().is_static()) return 0;
  double count = 1;
  for (const Dim& dim : value->shape().dims) count *= static_cast<double>(dim.value);
  return count;
}
}  // namespace

double node_flops(const Node& node) {
  if (node.outputs().empty()) return 0;
  const auto* fused = node.as<ops::Fused>();
  const Op& op = fused ? *fused->inner : node.op();
  std::string_view type = op.type();
  double out = elements(node.output());
  const Value* w = node.input(1);
  if (type == "Conv" || type == "QLinearConv" || type == "ConvInteger" || type == "IntegerConv") {
    const Value* weight = type == "QLinearConv" ? node.input(3) : w;
    if (!weight || !weight->shape().is_static() || weight->shape()[0].value == 0) return 0;
    return 2 * out * elements(weight) / static_cast<double>(weight->shape()[0].value);
  }
  if (type == "ConvTranspose") {
    const Value* x = node.input(0);
    if (!w || !w->shape().is_static() || !x->shape().is_static() || w->shape()[0].value == 0) return 0;
    return 2 * elements(x) * elements(w) / static_cast<double>(w->shape()[0].value);
  }
  if (type == "Gemm" || type == "MatMul" || type == "MatMulInteger" || type == "IntegerMatMul" ||
      type == "PackedMatMul") {
    const Shape& a = node.input(0)->shape();
    if (!a.is_static() || a.rank() == 0) return 0;
    const auto* gemm = dynamic_cast<const ops::Gemm*>(&op);
    return 2 * out * static_cast<double>(gemm && gemm->transA ? a.dims.front().value : a.dims.back().value);
  }
  if (op.has(Trait::view) || op.has(Trait::scale_preserving)) return 0;
  return std::max(out, elements(node.input(0)));
}

double node_bytes(const Node& node) {
  double bytes = 0;
  for (const Value* input : node.inputs())
    if (input) bytes += elements(input) * static_cast<double>(size_of(input->dtype()));
  for (const Value* output : node.outputs()) bytes += elements(output) * static_cast<double>(size_of(output->dtype()));
  return bytes;
}

int64_t parameter_count(const Graph& graph) {
  int64_t count = 0;
  for (const Value* constant : graph.constants())
    if (constant->dtype() != DType::i64 && constant->constant().size() > 1) count += constant->constant().size();
  return count;
}

}  // namespace hone
