#include <algorithm>

#include "base/nearest.hpp"
#include "graph/op.hpp"

// The visible list of ops. Each line declares make_op_Name(), which the op's own file defines.
namespace hone {

namespace ops {
#define HONE_OP(Name) std::unique_ptr<Op> make_op_##Name();
#include "graph/ops/ops.inc"
#undef HONE_OP
}  // namespace ops

namespace {

using Maker = std::unique_ptr<Op> (*)();

const std::map<std::string, Maker, std::less<>>& makers() {
  static const auto table = [] {
    std::map<std::string, Maker, std::less<>> by_name;
#define HONE_OP(Name)                                                               \
  {                                                                                 \
    auto op = ops::make_op_##Name();                                                \
    by_name.emplace(std::string(op->domain()) + "." + op->type(), &ops::make_op_##Name); \
  }
#include "graph/ops/ops.inc"
#undef HONE_OP
    return by_name;
  }();
  return table;
}

}  // namespace

std::unique_ptr<Op> make_op(std::string_view domain, std::string_view type) {
  if (domain == "ai.onnx") domain = "";
  auto it = makers().find(std::string(domain) + "." + std::string(type));
  return it == makers().end() ? nullptr : it->second();
}

std::vector<std::unique_ptr<Op>> all_ops() {
  std::vector<std::unique_ptr<Op>> list;
#define HONE_OP(Name) list.push_back(ops::make_op_##Name());
#include "graph/ops/ops.inc"
#undef HONE_OP
  return list;
}

std::vector<std::string> similar_ops(std::string_view type) {
  std::vector<std::pair<size_t, std::string>> ranked;
  for (auto& op : all_ops()) {
    size_t distance = edit_distance(type, op->type());
    if (distance <= std::max<size_t>(2, type.size() / 3)) ranked.emplace_back(distance, op->type());
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < ranked.size() && i < 3; ++i) names.push_back(ranked[i].second);
  return names;
}

}  // namespace hone
